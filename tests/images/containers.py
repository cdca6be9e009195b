"""Runs an image's file system as a container runtime would: read-only, as the image's user, with a /tmp of its own."""

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
# The process becomes the program.
_ENTER: Final = """
set -e
mount --bind "$ROOT" "$ROOT"
[ -z "$BIND" ] || mount --bind "$BIND" "$ROOT/run"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -o remount,bind,ro "$ROOT"
exec env -i "${VARIABLES[@]}" chroot --userspec="$USER_GROUP" "$ROOT" "$@"
"""


class Image(NamedTuple):
    """`root` has the unpacked layers."""

    root: Path
    config: Mapping[str, Any]

    @property
    def files(self) -> list[Path]:
        """Relative to the root."""
        return [path.relative_to(self.root) for path in self.root.rglob("*")]

    def run(
        self, *arguments: str, entry: Sequence[str] | None = None, env: Mapping[str, str] = _NOTHING
    ) -> "subprocess.CompletedProcess[str]":
        """`entry` replaces the image's entry point."""
        command, environment = self._command(entry, arguments, env, None)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def running(
        self, *arguments: str, env: Mapping[str, str] = _NOTHING, bind: Path | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """`bind` is seen as /run."""
        command, environment = self._command(None, arguments, env, bind)
        with subprocess.Popen(command, env=environment) as process:
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise

    def _command(
        self, entry: Sequence[str] | None, arguments: Sequence[str], env: Mapping[str, str], bind: Path | None
    ) -> tuple[list[str], dict[str, str]]:
        given = [*self.config.get("Env", ()), *(f"{name}={value}" for name, value in env.items())]
        script = f"VARIABLES=({' '.join(_quoted(each) for each in given)})\n{_ENTER}"
        command = ["unshare", "--mount", "bash", "-c", script, "bash"]
        command += [*(self.config["Entrypoint"] if entry is None else entry), *arguments]
        environment = {
            **os.environ,
            "ROOT": str(self.root),
            "BIND": str(bind or ""),
            "USER_GROUP": self.config["User"],
        }
        return command, environment


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def unpacked(archive: Path, folder: Path) -> Image:
    """From an OCI archive; its layers only add files."""
    layout = folder / "layout"
    root = folder / "root"
    root.mkdir(parents=True)
    with tarfile.open(archive) as file:
        file.extractall(layout, filter="data")
    manifest = _json(layout, json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    for layer in manifest["layers"]:
        blob = layout / "blobs" / layer["digest"].replace(":", "/")
        subprocess.run(["tar", "-xzpf", str(blob), "--same-owner", "-C", str(root)], check=True)
    return Image(root, _json(layout, manifest["config"]["digest"])["config"])


def _json(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
