"""Expressions in CEL of admission: what is wrong with them, and what comes of them.

The shown variables are `object`, `oldObject`, `request`, `namespaceObject` and `params`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.cel_engine import engine
from crossfade_local.apiserver.crd import cel
from crossfade_local.apiserver.crd.cel_language.translation import REQUEST_RESOURCE, VARIABLE
from crossfade_local.apiserver.crd.cel_types import arguments
from crossfade_local.apiserver.crd.cel_types.declarations import functions
from crossfade_local.apiserver.crd.cel_types.types import DURATION, NULL, TIMESTAMP, Type
from crossfade_local.apiserver.crd.compilation import BrokenRuleError, checked, compiled
from crossfade_local.apiserver.validation.errors import ErrorType

if TYPE_CHECKING:
    from crossfade_local.apiserver.crd.cel_library.authorization import Decide

_FULL_NAMES: Final = {
    NULL: "null_type",
    DURATION: "google.protobuf.Duration",
    TIMESTAMP: "google.protobuf.Timestamp",
}
_MENTIONED: Final = re.compile(r"\bvariables\s*\.\s*\??\s*(\w+)")
_FIELD_OF_OBJECT: Final = re.compile(r"\b(object|oldObject|params|namespaceObject)\s*(?:\.|\[[\"'])\s*(\w+)")
_UNDEFINED: Final = re.compile(r"Undefined variable or function: '(\w+)'")


class EvaluationError(Exception):
    """The text says why an expression has no value, in Kubernetes' words."""


class FaultyError(Exception):
    """An expression cannot be stored. The text is Kubernetes'."""

    def __init__(self, kind: ErrorType, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def type_of(
    text: str, variables: Mapping[str, Type], results: Sequence[Type] = (), *, makes_patches: bool = False
) -> Type:
    """What an expression comes to, which must be one of `results`. Raises FaultyError."""
    try:
        expression = checked(text, variables, makes_patches=makes_patches)
    except BrokenRuleError as error:
        raise FaultyError(ErrorType.INVALID, f"compilation failed: {error}") from None
    kind = expression.type
    if results and kind not in results:
        wanted = [_full_name(one) for one in results]
        shown = wanted[0] if len(wanted) == 1 else f"one of [{' '.join(wanted)}]"
        raise FaultyError(ErrorType.INVALID, f"must evaluate to {shown} but got {_full_name(kind)}")
    if problem := arguments.broken_pattern(expression):
        raise FaultyError(ErrorType.INTERNAL, f"program instantiation failed: {problem}")
    return kind


def _full_name(kind: Type) -> str:
    return _FULL_NAMES.get(kind, str(kind))


class Evaluation:
    """Of the expressions of one policy (or webhook), over one request."""

    def __init__(
        self, texts: Iterable[str], shown: JsonObject, decide: "Decide", *, declared: Iterable[JsonObject] = ()
    ) -> None:
        """`declared` are the policy's own variables. `decide` answers what `authorizer` is asked."""
        self._declared: Final = {variable["name"]: variable["expression"] for variable in declared}
        self._shown: Final = shown
        self._decide: Final = decide
        self._texts: Final = (*texts, *self._declared.values())
        self._known: dict[str, list[Any]] = {}
        self._failed: dict[str, str] = {}

    @cached_property
    def _context(self) -> Any:
        from crossfade_local.apiserver.crd.cel_library import authorization

        called: dict[str, Any] = {}
        for text in self._texts:
            with suppress(BrokenRuleError):
                called |= compiled(text, is_of_admission=True).functions
        names: JsonObject = {}
        if any("authorizer" in text for text in self._texts):
            request = self._shown["request"]
            user = {"name": request["userInfo"]["username"], "groups": request["userInfo"].get("groups") or []}
            names["authorizer"] = authorization.authorizer_of(user)
            names[REQUEST_RESOURCE] = authorization.request_resource(user, _about(request))
            called |= authorization.functions(self._decide)
        context = engine().Context({**self._shown, **names}, called)
        if self._declared:
            context.set_variable_resolver(self._variable)
        return context

    def value(self, text: str) -> Any:
        """Raises EvaluationError, and BrokenRuleError of an expression that was stored although it is broken."""
        program = compiled(text, is_of_admission=True).program
        try:
            return program.execute(self._context)
        except Exception as error:  # the engine raises plain exceptions of several kinds
            raise EvaluationError(self._said(text, error)) from None

    def _said(self, text: str, error: Exception) -> str:
        if found := _UNDEFINED.match(str(error)):
            name = found[1]
            unknown = cel.NO_OVERLOAD if name in functions() else f"no such attribute(s): {name}"
            return self._failed.get(name.removeprefix(VARIABLE)) or unknown
        said = cel.said(error)
        return self._field_of_nothing(text) or said if said == cel.NO_OVERLOAD else said

    def _field_of_nothing(self, text: str) -> str:
        """What Kubernetes says where an expression asks for a field of an object that is not there."""
        for name, field in _FIELD_OF_OBJECT.findall(text):
            if self._shown.get(name) is None:
                return f"no such key: {field}"
        return ""

    def _variable(self, name: str) -> list[Any] | None:
        """Asked by the engine for each name that an expression reaches; None is no variable of the policy's."""
        if not name.startswith(VARIABLE):
            return None
        wanted = name.removeprefix(VARIABLE)
        if wanted not in self._known:
            # Those that it mentions come first, so that a long chain of them is not a deep one.
            for one in self._mentioned(wanted):
                self._evaluate(one)
        return self._known.get(wanted)

    def _mentioned(self, name: str) -> list[str]:
        """The variable and those that it may need, in the order of their declarations."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one in self._declared and one not in found:
                found.add(one)
                waiting += _MENTIONED.findall(self._declared[one])
        return [one for one in self._declared if one in found]

    def _evaluate(self, name: str) -> None:
        if name in self._known or name in self._failed:
            return
        self._failed[name] = f'composited variable "{name}" fails to evaluate: it needs itself'
        try:
            self._known[name] = [self.value(self._declared[name])]
            del self._failed[name]
        except EvaluationError as error:
            self._failed[name] = f'composited variable "{name}" fails to evaluate: {error}'
        except BrokenRuleError as error:
            self._failed[name] = f'composited variable "{name}" fails to compile: compilation failed: {error}'


def _about(request: JsonObject) -> JsonObject:
    asked = request["requestResource"]
    return {
        "group": asked["group"],
        "resource": asked["resource"],
        "subresource": request.get("subResource", ""),
        "namespace": request.get("namespace", ""),
        "name": request.get("name", ""),
    }
