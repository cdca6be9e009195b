"""Files of the pod that Envoy gets in its own form: the kubelet renews them, Envoy watches ours.

Standard library only.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from crossfade.envoy.bootstrap import authority_secret, token_secret
from crossfade.proxy.envoy_process import write_private


class UnreadableError(Exception):
    """A file cannot be read, and never could; the text says which and why."""


class WatchedFile:
    """`target` holds what `form` makes of the text in `source`; `instead` counts until there is one."""

    def __init__(self, source: Path | None, target: Path, form: Callable[[str], Any], *, instead: str = "") -> None:
        self.target = target
        self._source = source
        self._form = form
        self._instead = instead
        self._known = ""

    def refresh(self) -> None:
        """Keeps the last text while the file cannot be read or is empty."""
        text = self._text() or self._known or self._instead
        if text and text != self._known:
            write_private(self.target, json.dumps(self._form(text)).encode())
            self._known = text

    def _text(self) -> str:
        if self._source is None:
            return ""
        try:
            return self._source.read_text().strip()
        except (OSError, ValueError) as error:
            if self._known or self._instead:
                return ""
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UnreadableError(f"{self._source}: {reason}") from None


class ControlPlaneFiles(NamedTuple):
    """Whom the connection to the control plane trusts (nobody: it is plain), and by what token the pod is known."""

    authority: WatchedFile | None = None
    token: WatchedFile | None = None

    @property
    def targets(self) -> tuple[str | None, str | None]:
        authority, token = (None if one is None else str(one.target) for one in self)
        return authority, token

    def refresh(self) -> None:
        """Raises UnreadableError."""
        for one in self:
            if one is not None:
                one.refresh()


def control_plane_files(
    folder: Path, *, ca_pem: str | None, ca_file: Path | None, token: Path | None
) -> ControlPlaneFiles:
    """`ca_pem` was told when the pod was made; `ca_file` tells what has become of it. Makes `folder`."""
    folder.mkdir(exist_ok=True)
    return ControlPlaneFiles(
        WatchedFile(ca_file, folder / "authority.json", authority_secret, instead=ca_pem) if ca_pem else None,
        WatchedFile(token, folder / "token.json", token_secret) if token else None,
    )
