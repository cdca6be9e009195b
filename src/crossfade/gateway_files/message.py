"""What a gateway on files says to people; quick to import."""

from typing import Final, NamedTuple

from crossfade.compile.diagnostics import Severity

SELF: Final = "crossfade gateway"


class Message(NamedTuple):
    """One fact; `where` is a file and line, or a part of the gateway. Without severity it is information."""

    where: str
    text: str
    severity: Severity | None = None
    hint: str = ""


class GatewayFailed(Exception):  # noqa: N818 - says what failed, to people
    """The gateway cannot start or go on; the text says why and what to do."""
