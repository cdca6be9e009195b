"""`python -m crossfade_local.apiserver.crd.rules_worker`: evaluates CEL, a question and an answer on a line each.

The kernel ends it where an answer takes more time than it may.
"""

import resource
import signal
import sys
from typing import Any, Final

import orjson

from crossfade_local.apiserver.crd import cel, conditions
from crossfade_local.apiserver.crd.rule_errors import all_rule_errors

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
        answer = orjson.dumps(_answer(orjson.loads(line)))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def _answer(question: list[Any]) -> Any:
    match question:
        case ["evaluate", schema, new, old]:
            return [tuple(found) for found in cel.violations(schema, new, old, "")]
        case ["conditions", expressions, variables]:
            return conditions.errors(expressions, variables)
        case ["compile conditions", texts]:
            return {text: fault for text in texts if (fault := conditions.compile_error(text))}
        case ["compile", schemas]:
            return [tuple(error) for error in all_rule_errors(schemas)]
    raise ValueError(question[0])


if __name__ == "__main__":
    main()
