"""Column definitions of tables, and small texts that several kinds print."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.selectors import SelectorError, selector_from_struct
from crossfade_local.values.fields import objects, text

NONE: Final = "<none>"
UNSET: Final = "<unset>"
_SHOWN: Final = 3
NAME_DESCRIPTION: Final = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION: Final = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


class Column(NamedTuple):
    """`priority` 1 shows up only in wide output."""

    name: str
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""

    def definition(self) -> JsonObject:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


NAME: Final = Column("Name", format="name", description=NAME_DESCRIPTION)
AGE: Final = Column("Age", description=CREATED_DESCRIPTION)


class Cells(Protocol):
    """Makes the cells of one object's row."""

    def __call__(self, obj: JsonObject, now: datetime, /) -> list[Any]: ...


class Printer(NamedTuple):
    columns: tuple[Column, ...]
    cells: Cells


def columns(*names: str | Column, wide: Iterable[str] = ()) -> tuple[Column, ...]:
    """`Name` and `Age` get their descriptions; a text may end in `:type`."""
    found = [name if isinstance(name, Column) else _column(name, 0) for name in names]
    return (*found, *(_column(name, 1) for name in wide))


def _column(text_form: str, priority: int) -> Column:
    name, _, kind = text_form.partition(":")
    if name == "Name":
        return NAME._replace(priority=priority)
    if name == "Age":
        return AGE
    return Column(name, kind or "string", priority)


def name_of(obj: JsonObject) -> str:
    return text(obj, "metadata", "name")


def join_some(items: list[str], total: int | None = None, *, empty: str = NONE) -> str:
    """The first three, and how many more there are."""
    count = len(items) if total is None else total
    shown = ",".join(items[:_SHOWN])
    if count > _SHOWN:
        return f"{shown} + {count - _SHOWN} more..."
    return shown or empty


def label_text(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE


def selector_text(selector: Any) -> str:
    """Of a `{matchLabels, matchExpressions}` field."""
    if not isinstance(selector, dict) or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return NONE
    try:
        return str(selector_from_struct(selector))
    except SelectorError:
        return "<error>"


def container_cells(pod_spec: Any) -> list[str]:
    """Names and images of a template's containers."""
    containers = objects(pod_spec, "containers")
    return [",".join(text(item, key) for item in containers) for key in ("name", "image")]
