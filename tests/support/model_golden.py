"""Golden files of compiled models: what the compiler decided, without the noise of defaults."""

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from crossfade.compile.diagnostics import Diagnostic
from crossfade.compile.routing.origin import Origin
from crossfade_kube.meta import ObjectRef

# Of mappings those that only few models have.
LEFT_OUT_EMPTY = frozenset({"mesh"})
# What a cluster's name says already.
LEFT_OUT = frozenset({"reaches"})


def plain(value: Any) -> Any:
    """Structs as mappings of the fields that differ from their defaults; origins and references as text."""
    match value:
        case Origin():
            return f"{value.ref} {value.path}".strip()
        case ObjectRef():
            return str(value)
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case msgspec.Struct():
            fields = msgspec.structs.fields(value)
            return {
                field.name: plain(getattr(value, field.name))
                for field in fields
                if field.name not in LEFT_OUT
                and (field.required or getattr(value, field.name) != field.default)
                and (field.name not in LEFT_OUT_EMPTY or getattr(value, field.name))
            }
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return value


def dumped(value: Any) -> str:
    return yaml.dump(plain(value), sort_keys=False, width=120, allow_unicode=True)


def dumped_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> str:
    return dumped([{"severity": item.severity, **plain(item)} for item in diagnostics])


def assert_golden(text: str, expected: Path, *, update: bool) -> None:
    if update:
        expected.parent.mkdir(parents=True, exist_ok=True)
        expected.write_text(text)
    assert text == expected.read_text(), f"{expected} differs; rewrite it with --update-golden and look at the change"
