"""Tables of custom resources: the columns that their definition asks for."""

from datetime import datetime
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.printers.columns import AGE, NAME, Column, Printer, name_of
from crossfade_local.apiserver.printers.durations import parse_time, since
from crossfade_local.apiserver.printers.jsonpath import JsonPathError, Looks, find
from crossfade_local.apiserver.values.gotext import plain, to_json
from crossfade_local.values.fields import number, text

_DEFAULT = ({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": AGE.description},)
_LOOKS: Final = 20_000
_LOOKS_A_ROW: Final = 300
"""At values, of a whole table: five thousand rows take a second at most."""


def custom_printer(columns: list[JsonObject]) -> Printer:
    """For `additionalPrinterColumns`; without any there is an age column. Cells that cannot be found are null."""
    wanted = columns or list(_DEFAULT)
    looks = Looks(_LOOKS)

    def cells(obj: JsonObject, now: datetime, /) -> list[Any]:
        looks.left += _LOOKS_A_ROW
        return [name_of(obj), *(_cell(column, obj, now, looks) for column in wanted)]

    return Printer((NAME, *map(_definition, wanted)), cells)


def _path(column: JsonObject) -> str:
    return text(column, "jsonPath") or text(column, "JSONPath")


def _definition(column: JsonObject) -> Column:
    description = text(column, "description")
    if not description:
        description = f"Custom resource definition column (in JSONPath format): {_path(column)}"
    return Column(
        text(column, "name"), text(column, "type"), number(column, "priority"), text(column, "format"), description
    )


def _cell(column: JsonObject, obj: JsonObject, now: datetime, looks: Looks) -> Any:
    try:
        value = next(find(_path(column), obj, looks), None)
    except JsonPathError:
        return None
    if value is None:
        return None
    match text(column, "type"):
        case "string":
            return to_json(value) if isinstance(value, dict | list) else plain(value)
        case "integer":
            return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "number":
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _date(value, now)
    return None


def _date(value: Any, now: datetime) -> str | None:
    if not isinstance(value, str):
        return None
    return since(value, now) if not value or parse_time(value) else "<invalid>"
