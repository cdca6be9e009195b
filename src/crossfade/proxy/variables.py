"""Reading variables of a container's environment. Standard library only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_LAST_PORT: Final = 65_535


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which and what to do."""


def number_of(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise SettingsError(f"{name} is {text!r}: it must be a whole number") from None


def port_of(environment: Mapping[str, str], name: str, default: int) -> int:
    found = number_of(environment, name, default)
    if not 0 < found <= _LAST_PORT:
        raise SettingsError(f"{name} is {found}: it must be a port, from 1 to {_LAST_PORT}")
    return found


def path_of(environment: Mapping[str, str], name: str) -> Path | None:
    return Path(text) if (text := environment.get(name)) else None


def pem_of(value: str | None, variable: str) -> str | None:
    """The certificate itself or the name of a file with it."""
    if not value:
        return None
    if "-----BEGIN" in value:
        return value
    try:
        return Path(value).read_text()
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {value}: {error.strerror}") from None
