"""Files of the pod that Envoy gets in its own form: the kubelet renews them, the launcher ours, Envoy watches those.

Standard library only.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from crossfade.envoy.bootstrap import authority_secret, token_secret
from crossfade.proxy.private_file import write_private

# In a form, where the launcher puts the text.
PLACE: Final = "@TEXT@"


class UnreadableError(Exception):
    """A file cannot be read; the text says which and why."""


class WatchedFile(NamedTuple):
    """`target` holds what `form` makes of the text in `source`; `instead` counts until there is one."""

    source: Path | None
    target: Path
    form: Callable[[str], Any]
    instead: str = ""

    def write(self) -> None:
        """Raises UnreadableError."""
        text = self._text() or self.instead
        if text:
            write_private(self.target, json.dumps(self.form(text)).encode())

    @property
    def for_launcher(self) -> tuple[str, str, str] | None:
        """Source, target, and the form with a place for the text; None where nothing is renewed."""
        return None if self.source is None else (str(self.source), str(self.target), json.dumps(self.form(PLACE)))

    def _text(self) -> str:
        if self.source is None:
            return ""
        try:
            return self.source.read_text().strip()
        except (OSError, ValueError) as error:
            if self.instead:
                return ""
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UnreadableError(f"{self.source}: {reason}") from None


class ControlPlaneFiles(NamedTuple):
    """Whom the connection to the control plane trusts (nobody: it is plain), and by what token the pod is known."""

    authority: WatchedFile | None = None
    token: WatchedFile | None = None

    @property
    def targets(self) -> tuple[str | None, str | None]:
        authority, token = (None if one is None else str(one.target) for one in self)
        return authority, token

    @property
    def for_launcher(self) -> Iterator[tuple[str, str, str]]:
        for one in self:
            if one is not None and (found := one.for_launcher) is not None:
                yield found

    def write(self) -> None:
        """Raises UnreadableError."""
        for one in self:
            if one is not None:
                one.write()


def control_plane_files(
    folder: Path, *, ca_pem: str | None, ca_file: Path | None, token: Path | None
) -> ControlPlaneFiles:
    """`ca_pem` was told when the pod was made; `ca_file` tells what has become of it. Makes `folder`."""
    folder.mkdir(exist_ok=True)
    return ControlPlaneFiles(
        WatchedFile(ca_file, folder / "authority.json", authority_secret, instead=ca_pem) if ca_pem else None,
        WatchedFile(token, folder / "token.json", token_secret) if token else None,
    )
