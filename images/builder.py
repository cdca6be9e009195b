"""Buildah, with its storage in a folder of ours, and the Debian that it builds in."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
BASE: Final = "localhost/crossfade-debian"


class BuildError(Exception):
    """The text says what is missing or which step failed."""


class Settings(NamedTuple):
    """`architecture` is Debian's word, None for this machine's. `base` is an image to build in, None to make one."""

    cache: Path
    architecture: str | None
    is_fresh: bool
    is_locked: bool
    base: str | None


class Builder:
    """Making one makes the image that everything is built in; raises BuildError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = settings.cache
        self._cache.mkdir(parents=True, exist_ok=True)
        _require("buildah", *(() if settings.base else ("mmdebstrap",)))
        self._suite: str = tomllib.loads((HERE / "contents.toml").read_text())["suite"]
        self._driver = self._choose_driver()
        self._base = settings.base or self._make_base()

    def build(self, target: str) -> Path:
        """The image as an OCI layout with one tag `latest`."""
        name = self._bud(target)
        layout = self._cache / f"{target}.oci"
        shutil.rmtree(layout, ignore_errors=True)
        self._run("push", "--quiet", name, f"oci:{layout}:latest")
        return layout

    def files_of(self, target: str, folder: Path) -> Path:
        """The files of a stage, put into `folder`."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._bud(target, "--output", f"type=local,dest={folder}")
        return folder

    def _bud(self, target: str, *more: str) -> str:
        name = f"localhost/crossfade-{target}{self._suffix}"
        self._run(
            *("bud", "--layers", "--isolation", "chroot", "--timestamp", os.environ.get("SOURCE_DATE_EPOCH", "0")),
            *self._platform(),
            *("--build-arg", f"DEBIAN={self._base}", "--build-arg", f"LOCKED={'--locked' * self._settings.is_locked}"),
            *("--file", str(HERE / "Containerfile"), "--target", target, "--tag", name),
            *more,
            str(HERE.parent),
        )
        return name

    def _make_base(self) -> str:
        name = f"{BASE}:{self._suite}{self._suffix}"
        archive = self._cache / f"debian{self._suffix}.tar"
        if self._settings.is_fresh:
            archive.unlink(missing_ok=True)
            self._run("rmi", "--all", "--force")
        if not archive.exists():
            draft = archive.with_suffix(".new.tar")
            architecture = self._settings.architecture
            _call(
                "mmdebstrap",
                *("--quiet", "--variant=apt", "--include=ca-certificates", *_own_authorities()),
                *((f"--architectures={architecture}",) if architecture else ()),
                *(self._suite, str(draft)),
                *((mirror,) if (mirror := os.environ.get("DEBIAN_MIRROR")) else ()),
            )
            draft.rename(archive)
        recipe = self._cache / "Containerfile.debian"
        recipe.write_text(f"FROM scratch\nADD {archive.name} /\n")
        self._run(
            *("bud", "--layers", "--timestamp", "0", *self._platform()),
            *("--file", str(recipe), "--tag", name, str(self._cache)),
        )
        return name

    @property
    def _suffix(self) -> str:
        return f"-{self._settings.architecture}" if self._settings.architecture else ""

    def _platform(self) -> tuple[str, ...]:
        architecture = self._settings.architecture
        return ("--platform", f"linux/{architecture}") if architecture else ()

    def _choose_driver(self) -> str:
        """Overlay where the kernel lets us mount it: vfs copies all files at each step."""
        for self._driver in ("overlay", "vfs"):
            done = subprocess.run([*self._command(), "images", "-q"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return self._driver
        raise BuildError(f"buildah has no storage that works here: {done.stderr.strip()}")

    def _command(self) -> list[str]:
        store = self._cache / f"store-{self._driver}"
        run = self._cache / f"run-{self._driver}"
        return ["buildah", "--storage-driver", self._driver, "--root", str(store), "--runroot", str(run)]

    def _run(self, *arguments: str) -> None:
        _call(*self._command(), *arguments)


def _call(*command: str) -> None:
    if subprocess.run(command, stdout=2, check=False).returncode:
        raise BuildError(f"`{' '.join(command)}` failed")


def _own_authorities() -> list[str]:
    """Whoever builds behind a gateway that opens TLS has its authority there. It gets into no image."""
    folder = Path("/usr/local/share/ca-certificates")
    if not any(folder.glob("**/*.crt")):
        return []
    return [f"--customize-hook=copy-in {folder} {folder.parent}", '--customize-hook=chroot "$1" update-ca-certificates']


def _require(*programs: str) -> None:
    if missing := [program for program in programs if shutil.which(program) is None]:
        raise BuildError(f"{' and '.join(missing)} must be installed: apt-get install {' '.join(missing)}")
