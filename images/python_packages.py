"""Python's part of the images, in the build's container: `python -m images.python_packages COMMAND`.

`build-requirements` prints what the wheel is built with, `trim IMAGE ENVIRONMENT` takes away what the image does not
use, `programs IMAGE ROOT` writes the programs that users' charts name.
"""

import fnmatch
import shutil
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from images.bytecode import compile_python

HERE: Final = Path(__file__).resolve().parent
PACKAGES: Final = ("crossfade", "crossfade_local", "crossfade_kube")

_PROGRAM: Final = """\
#!/opt/crossfade/bin/python3 -I
import sys

from crossfade.cli.entry import main

sys.argv[:1] = ["crossfade", *{words}]
sys.exit(main())
"""


def build_requirements(pyproject: str) -> list[str]:
    requires: list[str] = tomllib.loads(pyproject)["build-system"]["requires"]
    return requires


def trim(image: str, environment: Path, contents: dict[str, Any]) -> None:
    site = next((environment / "lib").glob("python3.*")) / "site-packages"
    ours = contents["ours"]
    if image == "proxy":
        keep_only(site, ours["proxy"])
    else:
        for name in ours["not_controller"]:
            shutil.rmtree(site / name)
    for path in [path for path in site.rglob("*") if path.is_file()]:
        if is_left_out(path.relative_to(site).as_posix(), contents["left_out"]["python"], contents["kept"]["python"]):
            path.unlink()
    for script in (environment / "bin").glob("[Aa]ctivate*"):
        script.unlink()
    compile_python(site)


def keep_only(site: Path, wanted: Iterable[str]) -> None:
    """Of our own packages what `wanted` names: patterns of files, and packages with all that is in them.

    Raises ValueError for a name that is not there.
    """
    kept: set[Path] = set()
    for pattern in wanted:
        found = list(site.glob(pattern))
        if not found:
            raise ValueError(f"images/contents.toml names {pattern}, which is not there")
        kept |= {path for each in found for path in ([each] if each.is_file() else each.rglob("*"))}
    for package in PACKAGES:
        for path in (*sorted((site / package).rglob("*"), reverse=True), site / package):
            if path.is_file() and path not in kept:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def is_left_out(path: str, patterns: Iterable[str], exceptions: Iterable[str]) -> bool:
    """`path` and patterns are below `site-packages`; a star matches slashes too."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns) and not any(
        fnmatch.fnmatch(path, pattern) for pattern in exceptions
    )


def write_programs(root: Path, programs: Mapping[str, list[str]]) -> None:
    """Without a shell, since not every image has one."""
    for path, words in programs.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_PROGRAM.format(words=words))
        file.chmod(0o755)


def _contents() -> dict[str, Any]:
    return tomllib.loads((HERE / "contents.toml").read_text())


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build-requirements"]:
            print("\n".join(build_requirements(Path("pyproject.toml").read_text())))
        case ["trim", image, environment]:
            trim(image, Path(environment), _contents())
        case ["programs", image, root]:
            write_programs(Path(root), _contents()["programs"][image])
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
