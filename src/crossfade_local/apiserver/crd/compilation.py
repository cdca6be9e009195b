"""Expressions in CEL are compiled as Kubernetes' compiler does it: what does not fit the types of variables is refused.

A rule that the engine behind cannot run is refused as well, so that no rule is passed over silently.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from crossfade_local.apiserver.cel_engine import engine
from crossfade_local.apiserver.crd.cel_language.syntax import Node, parse
from crossfade_local.apiserver.crd.cel_language.tokens import NotUnderstoodError
from crossfade_local.apiserver.crd.cel_language.translation import Translator
from crossfade_local.apiserver.crd.cel_types import arguments
from crossfade_local.apiserver.crd.cel_types.checker import check
from crossfade_local.apiserver.crd.cel_types.declarations import PATCH_FUNCTIONS
from crossfade_local.apiserver.crd.cel_types.expansion import MacroError, expanded
from crossfade_local.apiserver.crd.cel_types.expression import Expression
from crossfade_local.apiserver.crd.cel_types.patch_types import patch_type
from crossfade_local.apiserver.crd.cel_types.types import BOOL, BYTES, DOUBLE, INT, STRING, UINT, Kind, Type, type_of
from crossfade_local.apiserver.crd.faults import listed

MOST_CHARACTERS: Final = 16 * 1024
_MOST_NESTED: Final = 100
_TOO_DEEP: Final = f"expression recursion limit exceeded: {_MOST_NESTED}"
_TEXTS: Final = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_BRACKETS: Final = re.compile(r"[(\[{]|[)\]}]")
_CONTAINERS: Final = (Type("list", Kind.LIST), Type("map", Kind.MAP), Type("null_type"), Type("type", Kind.TYPE))
_NAMES_OF_TYPES: Final = {one.name: type_of(one) for one in (BOOL, BYTES, DOUBLE, INT, STRING, UINT, *_CONTAINERS)}


_NO_TYPE: Final = "the embedded API server has no names for types of packages; ask for a field or a function of theirs"
_LACKING: Final = {"google": _NO_TYPE, "net": _NO_TYPE}


class Compiled(NamedTuple):
    program: Any
    functions: dict[str, Any]
    """What it calls that the engine lacks."""


class BrokenRuleError(Exception):
    """The text is the compiler's, with the place in the rule."""


def checked(text: str, variables: Mapping[str, Type], *, makes_patches: bool = False) -> Expression:
    """With the types of its parts. Raises BrokenRuleError."""
    _check_size(text)
    try:
        expression = expanded(_parsed(text))
        names = {**_NAMES_OF_TYPES, **variables}
        if makes_patches:
            faults = check(expression, names, _LACKING, messages=patch_type, more_functions=PATCH_FUNCTIONS)
        else:
            faults = check(expression, names, _LACKING)
        faults = faults or arguments.faults(expression)
    except MacroError as error:
        faults = [error.fault]
    except RecursionError:
        raise BrokenRuleError(_TOO_DEEP) from None
    if faults:
        raise BrokenRuleError(listed(text, faults))
    compiled(text)
    return expression


def _check_size(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise BrokenRuleError(f"it is longer than {MOST_CHARACTERS} characters")
    if _deepest(_TEXTS.sub("", text)) > _MOST_NESTED:
        raise BrokenRuleError(_TOO_DEEP)


@lru_cache(maxsize=2000)
def compiled(text: str, *, is_of_admission: bool = False) -> Compiled:
    """Of an expression that was checked when it was stored. Raises BrokenRuleError."""
    cel = engine()
    # Later than the engine, of which it is a part.
    from crossfade_local.apiserver.crd.cel_library import FUNCTIONS

    translator = Translator(is_of_admission=is_of_admission)
    try:
        program = cel.compile(translator.text(_parsed(text)))
    except ValueError:
        raise BrokenRuleError(_syntax_fault(text)) from None
    except RecursionError:
        raise BrokenRuleError(_TOO_DEEP) from None
    return Compiled(program, {name: FUNCTIONS[name] for name in translator.used if name in FUNCTIONS})


def _parsed(text: str) -> Node:
    try:
        return parse(text)
    except NotUnderstoodError:
        raise BrokenRuleError(_syntax_fault(text)) from None


def _syntax_fault(text: str) -> str:
    """What the engine says of an expression that is none."""
    try:
        engine().compile(text)
    except ValueError as error:
        found = str(error)
        return found[max(found.find("ERROR: "), 0) :].replace("\n| ", "\n | ")
    return "ERROR: <input>:1:1: Syntax error: not an expression that the embedded API server understands"


def _deepest(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(text):
        depth += 1 if bracket[0] in "([{" else -1
        deepest = max(deepest, depth)
    return deepest
