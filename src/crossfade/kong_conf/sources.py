"""Where settings are written: Kong's configuration file, and variables of the environment."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX: Final = "KONG_"
_COMMENT: Final = re.compile(r"\s*(?<!\\)#.*")
# What Kubernetes tells each container about Services, here those whose names begin with `kong`.
_SERVICE_LINK: Final = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_URL: Final = re.compile(r"(tcp|udp|sctp)://\S*")


class Given(NamedTuple):
    """The text of a setting, and where it stands, for people."""

    text: str
    where: str


class Unreadable(ValueError):  # noqa: N818 - says which line, to people
    """A line of the file is no setting."""


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """By lower-case name."""
    return {
        name.removeprefix(PREFIX).lower(): Given(text.strip(), name)
        for name, text in environ.items()
        if name.startswith(PREFIX) and not _is_service_link(name, text)
    }


def _is_service_link(name: str, text: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_URL.fullmatch(text)))


def from_file(text: str, name: str) -> dict[str, Given]:
    """Lines `key = value`, comments from `#` on (`\\#` is one); the last of several counts. Raises Unreadable."""
    found: dict[str, Given] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = _COMMENT.sub("", line).strip()
        if not content:
            continue
        key, separator, value = content.partition("=")
        if not separator or not re.fullmatch(r"\w+", key.strip()):
            raise Unreadable(f"{name}:{number}: {content[:60]!r} is not of the form key = value")
        setting = key.strip()
        found[setting.lower()] = Given(value.strip().replace("\\#", "#"), f"{name}:{number}: {setting}")
    return found
