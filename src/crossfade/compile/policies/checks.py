"""Checks that several plugins' schemas share; each returns a problem's text or None."""

import re
from typing import Final

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_name(name: str) -> str | None:
    if _HEADER_NAME.fullmatch(name):
        return None
    return f"bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"


def header_value(value: str) -> str | None:
    return "control characters are not allowed in header values" if _CONTROL.search(value) else None


def absolute_path(path: str) -> str | None:
    return None if path.startswith("/") else "should start with: /"
