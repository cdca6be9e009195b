"""What is wrong with the rules in CEL of a schema: each is compiled with the types of its part of the schema."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.budget import Budget
from crossfade_local.apiserver.crd.cel import RULES
from crossfade_local.apiserver.crd.cel_types import arguments
from crossfade_local.apiserver.crd.cel_types.costs import most
from crossfade_local.apiserver.crd.cel_types.expression import Expression, Identifier, all_of
from crossfade_local.apiserver.crd.cel_types.ranges import LARGEST
from crossfade_local.apiserver.crd.cel_types.schemas import LARGEST_REQUEST, Declarations, Declared
from crossfade_local.apiserver.crd.cel_types.types import BOOL, STRING, Type, optional_of
from crossfade_local.apiserver.crd.compilation import BrokenRuleError, checked
from crossfade_local.apiserver.validation.errors import ErrorType, FieldError, invalid
from crossfade_local.apiserver.values.gotext import GoStruct

_SELF: Final = "selfType"
_UNSEEN: Final = (
    "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert"
    " structural schema to CEL declarations"
)


class _Node(NamedTuple):
    schema: JsonObject
    path: str
    is_root: bool
    types: Declarations
    budget: Budget
    unrelated: str
    """The list within which nothing is known of what a value was before; empty if there is none."""
    times: int | None
    """How often there can be such a value in an object; None where nothing says."""


def all_rule_errors(schemas: Iterable[tuple[str, JsonObject, bool]]) -> list[FieldError]:
    """Of structural schemas, each with its place and whether it is new."""
    return [error for path, schema, is_new in schemas for error in rule_errors(schema, path, is_new=is_new)]


def rule_errors(schema: JsonObject, path: str, *, is_new: bool) -> list[FieldError]:
    """Of a structural schema at `path`. One that was stored before keeps rules that cost too much."""
    budget = Budget(is_new=is_new)
    root = _Node(schema, path, is_root=True, types=Declarations(), budget=budget, unrelated="", times=1)
    return [*_errors(root), *budget.errors(path)]


def _errors(node: _Node) -> Iterator[FieldError]:
    for inner in _children(node):
        yield from _errors(inner)
    rules = node.schema.get(RULES)
    if not rules:
        return
    found = node.types.of(node.schema, is_whole_object=node.is_root)
    if found is None:
        yield FieldError(ErrorType.INTERNAL, f"{node.path}.{RULES}", "", _UNSEEN)
        return
    for index, rule in enumerate(rules):
        yield from _of_rule(node, found, rule, f"{node.path}.{RULES}[{index}]")


def _children(node: _Node) -> Iterator[_Node]:
    schema, path, times = node.schema, node.path, _times(node)

    def child(inner: JsonObject, place: str, *, unrelated: str = node.unrelated) -> _Node:
        return node._replace(schema=inner, path=place, is_root=False, unrelated=unrelated, times=times)

    for name, inner in sorted((schema.get("properties") or {}).items()):
        yield child(inner, f"{path}.properties[{name}]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield child(schema["additionalProperties"], f"{path}.additionalProperties")
    if isinstance(schema.get("items"), dict):
        is_related = schema.get("x-kubernetes-list-type") == "map"
        yield child(schema["items"], f"{path}.items", unrelated=node.unrelated or ("" if is_related else path))


def _times(node: _Node) -> int | None:
    """How often there can be what is inside a value."""
    schema = node.schema
    many: int | None = 1
    match schema.get("type"):
        case "array":
            many = schema.get("maxItems")
        case "object" if schema.get("additionalProperties") is not None:
            many = schema.get("maxProperties")
    if node.times is None or many is None:
        return None
    return min(node.times * max(many, 0), LARGEST)


def _of_rule(node: _Node, found: Declared, rule: JsonObject, place: str) -> Iterator[FieldError]:
    own = found.named(_SELF)
    before = optional_of(own) if rule.get("optionalOldSelf") else own
    variables = {"self": own, "oldSelf": before}
    try:
        expression = _compiled(str(rule["rule"]), variables, BOOL)
    except BrokenRuleError as error:
        yield invalid(f"{place}.rule", _shown(rule), str(error))
        uses_before = False
    else:
        uses_before = _mentions(expression, "oldSelf")
        times = node.times if node.times is not None else LARGEST_REQUEST // (found.smallest + 1)
        yield from node.budget.spend(f"{place}.rule", "rule", min(most(expression, found) * times, LARGEST))
        yield from _of_message(node, found, rule, variables, place)
    if uses_before and node.unrelated:
        said = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {node.unrelated}"
        yield invalid(f"{place}.rule", rule["rule"], said)
    elif not uses_before and rule.get("optionalOldSelf") is not None:
        said = "may not be set if oldSelf is not used in rule"
        yield invalid(f"{place}.optionalOldSelf", rule["optionalOldSelf"], said)


def _of_message(
    node: _Node, found: Declared, rule: JsonObject, variables: dict[str, Type], place: str
) -> Iterator[FieldError]:
    if not rule.get("messageExpression"):
        return
    field = f"{place}.messageExpression"
    try:
        expression = _compiled(rule["messageExpression"], variables, STRING)
    except BrokenRuleError as error:
        yield invalid(field, _shown(rule), str(error))
    else:
        yield from node.budget.spend(field, "messageExpression", most(expression, found))


def _compiled(text: str, variables: dict[str, Type], wanted: Type) -> Expression:
    """Raises BrokenRuleError."""
    name, wrong_type = ("", "cel expression must evaluate to a bool")
    if wanted == STRING:
        name, wrong_type = ("messageExpression ", "messageExpression must evaluate to a string")
    try:
        expression = checked(text, variables)
    except BrokenRuleError as error:
        raise BrokenRuleError(f"{name}compilation failed: {error}") from None
    if expression.type != wanted:
        raise BrokenRuleError(wrong_type)
    if problem := arguments.broken_pattern(expression):
        raise BrokenRuleError(f"{name or 'program '}instantiation failed: {problem}")
    return expression


def _mentions(expression: Expression, name: str) -> bool:
    return any(isinstance(part, Identifier) and part.name == name for part in all_of(expression))


def _shown(rule: JsonObject) -> GoStruct:
    def text(name: str) -> Any:
        return rule.get(name) or ""

    return GoStruct(
        Rule=text("rule"),
        Message=text("message"),
        MessageExpression=text("messageExpression"),
        Reason=rule.get("reason"),
        FieldPath=text("fieldPath"),
        OptionalOldSelf=rule.get("optionalOldSelf"),
    )
