"""Root file systems of the images: `python3 -m images.rootfs OUT SET…`, inside the build's container.

OUT/rootfs gets what the sets of images/contents.toml name, OUT/debian.lock the versions taken. Standard library only.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from images.bytecode import compile_python
from images.debian import LockedOutError, download, field, lock_text, read_lock, record, unpack

HERE: Final = Path(__file__).resolve().parent
_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_USERS: Final = {"root": 0, "proxy": 1337, "nobody": 65534, "nonroot": 65532}
_STDLIB: Final = "usr/lib/python3.11"
_NEEDED: Final = re.compile(r"\(NEEDED\).*\[(.+)\]")


def make(out: Path, sets: list[str], *, is_locked: bool, program: Path | None) -> None:
    """With `program`, Python's library is cut down to what that script can import."""
    contents = tomllib.loads((HERE / "contents.toml").read_text())
    names = sorted({name for each in sets for name in contents["packages"][each]})
    lock = read_lock((HERE / "debian.lock").read_text(), _architecture())
    packages = download(names, out / "packages", lock, is_locked=is_locked)
    root = out / "rootfs"
    _skeleton(root)
    for package in packages.values():
        unpack(package, root, contents["left_out"]["paths"])
        record(package, root)
    _links(root, contents, sets)
    _certificates(root)
    _drop_unusable_extensions(root)
    if program is not None:
        _keep_imports(root, program)
    compile_python(root, root=root)
    _remove_empty(root / "usr")
    taken = {(name, field(package, "Architecture")): field(package, "Version") for name, package in packages.items()}
    (out / "debian.lock").write_text(lock_text(taken))
    shutil.rmtree(out / "packages")


def _architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def _skeleton(root: Path) -> None:
    for folder in ("dev", "etc", "proc", "run", "sys", "tmp", "usr", "var/tmp"):
        (root / folder).mkdir(parents=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    for name in _MERGED:
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    etc = root / "etc"
    etc.joinpath("passwd").write_text(
        "".join(f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n" for name, number in _USERS.items())
    )
    etc.joinpath("group").write_text("".join(f"{name}:x:{number}:\n" for name, number in _USERS.items()))
    etc.joinpath("nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def _links(root: Path, contents: dict[str, Any], sets: list[str]) -> None:
    for each in sets:
        for path, target in contents["links"].get(each, {}).items():
            (root / path.lstrip("/")).symlink_to(target)


def _certificates(root: Path) -> None:
    """One bundle of Mozilla's authorities, where OpenSSL, Rust and Envoy look for it."""
    files = sorted((root / "usr/share/ca-certificates").glob("**/*.crt"))
    if files:
        bundle = root / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(b"".join(file.read_bytes() for file in files))


def _drop_unusable_extensions(root: Path) -> None:
    """Python's modules for libraries that the image has no package of, such as _curses. Raises where something else
    lacks a library."""
    present = {path.name for path in (root / "usr/lib").glob("**/*.so*")} | {
        path.name for path in (root / "lib64").iterdir()
    }
    for path in _executables(root):
        lacking = needed_libraries(path) - present
        if lacking and path.parent.name == "lib-dynload":
            path.unlink()
        elif lacking:
            raise SystemExit(
                f"/{path.relative_to(root)} needs {', '.join(sorted(lacking))}: add its package to contents.toml"
            )


def _executables(root: Path) -> Iterator[Path]:
    for path in sorted((root / "usr").rglob("*")):
        if path.is_file() and not path.is_symlink() and path.open("rb").read(4) == b"\x7fELF":
            yield path


def needed_libraries(path: Path) -> set[str]:
    done = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True)
    return set(_NEEDED.findall(done.stdout))


def _keep_imports(root: Path, program: Path) -> None:
    """What the script has imported before it does anything, and the encodings that text of any kind needs."""
    listing = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); import encodings.ascii, encodings.latin_1; "
        "print(*(file for each in list(sys.modules.values()) if (file := getattr(each, '__file__', None))), sep='\\n')"
    )
    done = subprocess.run(
        [f"/usr/bin/{Path(_STDLIB).name}", "-I", "-S", "-c", listing, str(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    kept = {root / line.lstrip("/") for line in done.stdout.splitlines()}
    for path in (root / _STDLIB).rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()


def _remove_empty(folder: Path) -> None:
    for path, _, _ in os.walk(folder, topdown=False):
        if not any(Path(path).iterdir()):
            Path(path).rmdir()


def subtract(root: Path, base: Path) -> None:
    """Leaves in `root` only what differs from `base`, which lies below it as a layer of its own."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            path, other = Path(folder, name), base / Path(folder, name).relative_to(root)
            if _is_same(path, other):
                path.unlink()
    for folder, folders, _ in os.walk(root, topdown=False):
        for name in folders:
            path = Path(folder, name)
            if path.is_symlink() and _is_same(path, base / path.relative_to(root)):
                path.unlink()
    _remove_empty(root)


def _is_same(path: Path, other: Path) -> bool:
    if path.is_symlink() or other.is_symlink():
        return path.is_symlink() and other.is_symlink() and path.readlink() == other.readlink()
    return other.is_file() and path.stat().st_mode == other.stat().st_mode and path.read_bytes() == other.read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(prog="images.rootfs", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--locked", action="store_true")
    parser.add_argument("--program", type=Path, help="keep of Python's library what this script can import")
    parser.add_argument("--without", type=Path, help="leave out what this root file system has already")
    arguments = parser.parse_args()
    try:
        make(arguments.out, arguments.sets, is_locked=arguments.locked, program=arguments.program)
    except LockedOutError as problem:
        print(problem, file=sys.stderr)
        return 1
    if arguments.without is not None:
        subtract(arguments.out / "rootfs", arguments.without)
    return 0


if __name__ == "__main__":
    sys.exit(main())
