"""Has rules of custom resources and expressions of admission evaluated: small work at once, the rest by a process.

The time of that is limited. The engine cannot be interrupted, and what a rule costs depends on the object that a client
sends. Kubernetes counts the cost while it evaluates, and gives up at a limit.
"""

import asyncio
import contextlib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd import cel, conditions
from crossfade_local.apiserver.crd.admission_cel import Evaluation
from crossfade_local.apiserver.crd.cel import Violation
from crossfade_local.apiserver.crd.rule_errors import all_rule_errors
from crossfade_local.apiserver.crd.rules_worker import ANSWER, QUESTION
from crossfade_local.apiserver.crd.validator import Ruled
from crossfade_local.apiserver.policies import compilation, evaluation, mutations
from crossfade_local.apiserver.policies.evaluation import Denial
from crossfade_local.apiserver.policies.mutations import MutationError
from crossfade_local.apiserver.validation.errors import OMITTED, ROOT, ErrorType, FieldError, invalid, required
from crossfade_local.apiserver.values.gotext import GoStruct

if TYPE_CHECKING:
    from crossfade_local.apiserver.crd.cel_library.authorization import Decide

_WORKERS: Final = 2
_AT_ONCE: Final = 20_000
"""Values × characters of rules: some milliseconds."""
_COMPILED_AT_ONCE: Final = 2 * 1024
"""Characters: some 20 milliseconds."""
_SCHEMA_AT_ONCE: Final = 64 * 1024
"""Bytes."""
_LONGEST_ANSWER: Final = 16 * 1024 * 1024
_OVER_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
_OVER: Final = FieldError(ErrorType.INVALID, ROOT, OMITTED, _OVER_BUDGET)
_TOO_LONG: Final = "all expressions of the object together take too long to compile"
_REASONS: Final = {
    "FieldValueForbidden": ErrorType.FORBIDDEN,
    "FieldValueRequired": ErrorType.REQUIRED,
    "FieldValueDuplicate": ErrorType.DUPLICATE,
}


class _EndedError(Exception):
    """A worker took longer than it may."""


class Rules:
    """Starts its workers when they are needed first."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._turns = asyncio.Semaphore(_WORKERS)

    async def errors(self, ruled: Ruled, old: JsonObject | None) -> list[FieldError]:
        schema, new, rules = ruled
        if _is_light(rules, new, old):
            return list(map(error_of, cel.violations(schema, new, old, "")))
        try:
            return [error_of(Violation(*found)) for found in await self._ask(["evaluate", schema, new, old])]
        except _EndedError:
            return [_OVER]

    async def rule_errors(
        self, schemas: Mapping[str, JsonObject], *, old: Collection[JsonObject], size: int
    ) -> list[FieldError]:
        """Of structural schemas of about `size` bytes, by their places; `old` are those that are stored."""
        texts = await aside(size, lambda: list(cel.rules_of(list(schemas.values()))))
        if not texts:
            return []
        asked = [(place, schema, schema not in old) for place, schema in schemas.items()]
        if size <= _SCHEMA_AT_ONCE and sum(map(len, texts)) <= _COMPILED_AT_ONCE:
            return all_rule_errors(asked)
        try:
            return [_from_json(*found) for found in await self._ask(["compile", asked])]
        except _EndedError:
            return [invalid(place, OMITTED, _TOO_LONG) for place in schemas]

    async def condition_faults(self, conditions_: Iterable[str]) -> Mapping[str, str]:
        """Why which of the conditions cannot be stored."""
        texts = list(dict.fromkeys(conditions_))
        if sum(map(len, texts)) <= _COMPILED_AT_ONCE:
            return {text: fault for text in texts if (fault := conditions.compile_error(text))}
        try:
            found: dict[str, str] = await self._ask(["compile conditions", texts])
        except _EndedError:
            return dict.fromkeys(texts, _TOO_LONG)
        return found

    async def condition_errors(self, expressions: list[str], shown: JsonObject, decide: "Decide") -> list[str] | None:
        """Of those that cannot be evaluated; None if one is false, whatever the others are."""
        if _is_light(expressions, *shown.values()):
            return conditions.errors(expressions, Evaluation(expressions, shown, decide))
        try:
            found: list[str] | None = await self._ask(["conditions", expressions, shown], decide)
        except _EndedError:
            return [_OVER_BUDGET]
        return found

    async def policy_faults(self, spec: JsonObject) -> list[FieldError]:
        """Of the expressions of a policy."""
        texts = compilation.expressions_of(spec)
        if sum(map(len, texts.values())) <= _COMPILED_AT_ONCE:
            return compilation.faults(spec)
        try:
            return [_from_json(*found) for found in await self._ask(["compile policy", spec])]
        except _EndedError:
            return [invalid(field, text, _TOO_LONG) for field, text in texts.items()]

    async def denials(self, spec: JsonObject, shown: JsonObject, decide: "Decide") -> list[Denial]:
        """What a policy has against a request."""
        if _is_light(compilation.expressions_of(spec).values(), *shown.values()):
            return evaluation.denials(spec, shown, decide)
        try:
            return [Denial(*found) for found in await self._ask(["policy", spec, shown], decide)]
        except _EndedError:
            return [] if spec.get("failurePolicy") == "Ignore" else [Denial(_OVER_BUDGET)]

    async def patch_of(self, spec: JsonObject, index: int, shown: JsonObject, decide: "Decide") -> Any:
        """What the mutation at `index` of a policy makes of a request. Raises MutationError."""
        if _is_light(compilation.expressions_of(spec).values(), *shown.values()):
            return mutations.patch_of(spec, index, shown, decide)
        try:
            is_patch, found = await self._ask(["mutation", spec, index, shown], decide)
        except _EndedError:
            raise MutationError(_OVER_BUDGET) from None
        if not is_patch:
            raise MutationError(found)
        return found

    async def _ask(self, question: list[Any], decide: "Decide | None" = None) -> Any:
        async with self._turns:
            worker = self._idle.pop() if self._idle else await _Worker.start()
            try:
                answer = await worker.ask(question, decide)
            except BaseException:
                await worker.end()
                raise
            self._idle.append(worker)
            return answer

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().end()


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> "_Worker":
        command = (sys.executable, "-m", "crossfade_local.apiserver.crd.rules_worker")
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=_LONGEST_ANSWER))

    async def ask(self, question: list[Any], decide: "Decide | None") -> Any:
        """`decide` answers what it asks back. Raises _EndedError."""
        answer = await self._answer(question)
        while QUESTION in answer:
            assert decide is not None
            answer = await self._answer(decide(answer[QUESTION]))
        return answer[ANSWER]

    async def _answer(self, said: Any) -> Any:
        """Raises _EndedError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Nothing that is JSON has a line break in this form.
        self._process.stdin.write(orjson.dumps(said) + b"\n")
        try:
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        except (ConnectionError, ValueError) as error:
            raise _EndedError from error
        if not line.endswith(b"\n"):
            raise _EndedError
        return orjson.loads(line)

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _is_light(rules: Iterable[str], *values: JsonObject | None) -> bool:
    """Without iteration the work is at most that of looking at every value once for each word of the rules."""
    characters = 0
    for rule in rules:
        if cel.iterates(rule):
            return False
        characters += len(rule)
    return characters == 0 or _has_at_most(_AT_ONCE // characters, values)


def _has_at_most(left: int, values: Iterable[Any]) -> bool:
    """Whether there are so many values in these or less. A text counts for each hundred of its characters."""
    waiting = list(values)
    while waiting and left >= 0:
        one = waiting.pop()
        left -= 1 + (len(one) // 100 if isinstance(one, str) else 0)
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return left >= 0


def _from_json(kind: str, field: str, value: Any, detail: str) -> FieldError:
    return FieldError(ErrorType(kind), field, GoStruct(value) if isinstance(value, dict) else value, detail)


def error_of(found: Violation) -> FieldError:
    place = found.place or ROOT
    kind = _REASONS.get(found.reason)
    if kind == ErrorType.REQUIRED:
        return required(place, found.text)
    shown = OMITTED if found.is_omitted else found.shown
    return FieldError(kind, place, shown, found.text) if kind else invalid(place, shown, found.text)
