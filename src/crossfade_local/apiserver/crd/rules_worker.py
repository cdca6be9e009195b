"""`python -m crossfade_local.apiserver.crd.rules_worker`: evaluates CEL, a question and an answer on a line each.

Before its answer it may ask who may do what, which is answered on a line, too. The kernel ends it where an answer takes
more time than it may.
"""

import resource
import signal
import sys
from typing import Any, Final

import orjson

from crossfade_local.apiserver.crd import cel, conditions
from crossfade_local.apiserver.crd.admission_cel import Evaluation
from crossfade_local.apiserver.crd.rule_errors import all_rule_errors
from crossfade_local.apiserver.policies import compilation, evaluation, mutations

ANSWER: Final = "answer"
QUESTION: Final = "may"
_CPU_S: Final = 0.9
_MEMORY: Final = 1024 * 1024 * 1024


def main() -> None:
    # What its parent is interrupted by is not meant for it: it ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The engine is loaded by what is compiled first, which is no part of an answer's time.
    conditions.compile_error("true")
    for line in sys.stdin.buffer:
        # Nothing handles SIGPROF: a handler in Python would wait for the engine to return.
        signal.setitimer(signal.ITIMER_PROF, _CPU_S)
        answer = {ANSWER: _answer(orjson.loads(line))}
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(answer)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


def _decide(about: dict[str, Any]) -> tuple[bool, str]:
    _say({QUESTION: about})
    allowed, reason = orjson.loads(sys.stdin.buffer.readline())
    return allowed, reason


def _patch(spec: dict[str, Any], index: int, shown: dict[str, Any]) -> tuple[bool, Any]:
    """Whether it is a patch, which else is what went wrong."""
    try:
        return True, mutations.patch_of(spec, index, shown, _decide)
    except mutations.MutationError as error:
        return False, str(error)


def _answer(question: list[Any]) -> Any:
    match question:
        case ["evaluate", schema, new, old]:
            return [tuple(found) for found in cel.violations(schema, new, old, "")]
        case ["conditions", expressions, shown]:
            return conditions.errors(expressions, Evaluation(expressions, shown, _decide))
        case ["policy", spec, shown]:
            return [tuple(found) for found in evaluation.denials(spec, shown, _decide)]
        case ["mutation", spec, index, shown]:
            return _patch(spec, index, shown)
        case ["compile policy", spec]:
            return [tuple(found) for found in compilation.faults(spec)]
        case ["compile conditions", texts]:
            return {text: fault for text in texts if (fault := conditions.compile_error(text))}
        case ["compile", schemas]:
            return [tuple(error) for error in all_rule_errors(schemas)]
    raise ValueError(question[0])


if __name__ == "__main__":
    main()
