"""Checks of entries `name:value`; each returns a problem's text or None."""

from crossfade.compile.policies.checks import (
    any_header_name,
    free_header_name,
    header_name,
    header_value,
    internal_header,
)


def pair(entry: str) -> str | None:
    name, colon, _ = entry.partition(":")
    return None if name and colon else f"invalid value: {entry}"


def valued_header(entry: str) -> str | None:
    name, value = _split(entry)
    return pair(entry) or free_header_name(name) or header_value(value)


def renamed_header(entry: str) -> str | None:
    if problem := pair(entry):
        return problem
    for name in _split(entry):
        if header_name(name):
            return f"'{name}' is not a valid header"
        if problem := free_header_name(name):
            return problem
    return None


def removed_header(entry: str) -> str | None:
    name, _ = _split(entry)
    return any_header_name(name)


def removed_member(entry: str) -> str | None:
    return None if _split(entry)[0] else f"invalid value: {entry}"


def _split(entry: str) -> tuple[str, str]:
    """As Kong does: all colons that follow the name belong to none."""
    name, _, value = entry.partition(":")
    return name, value.lstrip(":")


def named_value(entry: str) -> str | None:
    """Of arguments and members of bodies."""
    name, value = _split(entry)
    if not name:
        return f"invalid value: {entry}"
    return None if value else f"key '{name}' has no value"


def request_header(entry: str) -> str | None:
    name, value = _split(entry)
    return pair(entry) or request_header_name(name) or header_value(value)


def replaced_request_header(entry: str) -> str | None:
    """The only edit that can be of `Host`."""
    name, value = _split(entry)
    return header_value(value) if name.lower() == "host" and pair(entry) is None else request_header(entry)


def renamed_request_header(entry: str) -> str | None:
    old, new = _split(entry)
    return pair(entry) or request_header_name(old) or request_header_name(new)


def removed_request_header(entry: str) -> str | None:
    name, _ = _split(entry)
    return request_header_name(name)


def request_header_name(name: str) -> str | None:
    if header_name(name):
        return f"'{name}' is not a valid header"
    return free_header_name(name) or internal_header(name)
