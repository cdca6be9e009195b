"""References to secrets in configurations: `{vault://<vault>/<resource>[/<key>]}` (kong.md §1.8).

Texts of references name secrets and never hold one, so they may be shown.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from crossfade.compile.policies.schema import Field, is_reference
from crossfade_kube.meta import JsonObject

_REFERENCE: Final = re.compile(r"\{vault://[^{}\"'\s]*\}")


class UnresolvableError(Exception):
    """Why a reference gives no value; the text holds none."""


class Reference(Struct, frozen=True):
    """`key` picks one value of several that the resource holds; `version` 2 is the one before."""

    text: str
    vault: str
    resource: str
    key: str | None = None
    version: int = 1


def parsed(text: str) -> Reference:
    """Raises UnresolvableError."""
    try:
        url = urlsplit(text[1:-1])
    except ValueError:
        raise UnresolvableError("it is not a URL") from None
    parts = [unquote(part) for part in url.path.split("/") if part]
    if not url.netloc or not parts:
        raise UnresolvableError("it names no vault or no secret")
    if url.query:
        raise UnresolvableError("options are those of the vault; a reference has none")
    if url.fragment not in ("", "1", "2"):
        raise UnresolvableError("the version behind # is 1 or 2")
    *resource, key = parts if len(parts) > 1 else (*parts, "")
    return Reference(text, url.netloc, "/".join(resource), key or None, int(url.fragment or 1))


def references_in(value: Any) -> Iterator[str]:
    """All of a configuration, wherever they stand; of a text, also those within."""
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references_in(item)


class Resolved(Struct, frozen=True):
    """`config` holds secrets; `used` are the references that were resolved, `others` stay what they are: texts."""

    config: JsonObject
    used: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Resolved(***, {self.used}, {self.others})"


def resolved(fields: Mapping[str, Field], config: Mapping[str, Any], value_of: Callable[[Reference], str]) -> Resolved:
    """The configuration with values in place of references, where fields take them. Raises UnresolvableError."""
    used: dict[str, None] = {}

    def one(text: str) -> str:
        used[text] = None
        try:
            return value_of(parsed(text))
        except UnresolvableError as problem:
            raise UnresolvableError(f"could not resolve {text}: {problem}") from None

    filled = _record(fields, config, one)
    return Resolved(filled, tuple(used), tuple(sorted(set(references_in(filled)) - used.keys())))


def _record(fields: Mapping[str, Field], config: Mapping[str, Any], one: Callable[[str], str]) -> JsonObject:
    return {name: _value(fields[name], value, one) if name in fields else value for name, value in config.items()}


def _value(field: Field, value: Any, one: Callable[[str], str]) -> Any:
    if field.referenceable and is_reference(value):
        return one(value)
    if field.fields is not None and isinstance(value, Mapping):
        return _record(field.fields, value, one)
    if field.elements is not None and isinstance(value, list):
        return [_value(field.elements, item, one) for item in value]
    return value
