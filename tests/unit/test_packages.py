"""What `make packages` asks of apt, on machines that differ in their Rust, their rights and their packages."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ALWAYS = (ROOT / "packages.txt").read_text().split()
RUST = (ROOT / "packages-rust.txt").read_text().split()
TOOLS = ("bash", "sed", "cut", "sort", "head", "comm", "cat", "dirname", "env")


class Machine:
    """A folder of programs that is the whole PATH; what apt is asked for ends in a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = folder.parent / "asked"
        for tool in TOOLS:
            (folder / tool).symlink_to(str(shutil.which(tool)))
        self.program("id", "echo 0")
        self.installed(ALWAYS)
        self.apt()

    def program(self, name: str, script: str) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
        path.chmod(0o755)

    def without(self, name: str) -> None:
        (self._folder / name).unlink()

    def installed(self, names: list[str]) -> None:
        self.program("dpkg-query", "\n".join(f"echo installed {name}" for name in names))

    def apt(self, *, brings_rust: str | None = None) -> None:
        brings = [f"echo '{self._rust(name, brings_rust)}' > {self._folder}/{name}" for name in ("cargo", "rustc")]
        chmod = f"{shutil.which('chmod')} 755 {self._folder}/cargo {self._folder}/rustc"
        after = "\n".join([*brings, chmod]) if brings_rust else ""
        self.program("apt-get", f'[ "$1" = update ] && exit\necho "$@" >> {self._asked}\n{after}')

    def rust(self, version: str, *, compiler: str | None = None) -> None:
        self.program("cargo", f"echo cargo {version} \\(0123abc 2026-01-01\\)")
        self.program("rustc", f"echo rustc {compiler or version} \\(0123abc 2026-01-01\\)")

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._folder / "bash", ROOT / "packages.sh"],
            env={"PATH": str(self._folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def packages_asked_for(self) -> list[str]:
        if not self._asked.exists():
            return []
        return [word for word in self._asked.read_text().split() if not word.startswith("-") and word != "install"]

    @staticmethod
    def _rust(name: str, version: str | None) -> str:
        return f"#!{shutil.which('bash')}\necho {name} {version}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir()
    return Machine(folder)


@pytest.mark.parametrize("version", ["1.95.0", "1.100.1", "2.0.0", "1.97.0-nightly"])
def test_nothing_is_installed_where_rust_is_good_and_all_packages_are_there(machine: Machine, version: str) -> None:
    machine.rust(version)
    assert machine.run().returncode == 0
    assert machine.packages_asked_for() == []


def test_debians_rust_is_installed_where_there_is_none(machine: Machine) -> None:
    machine.apt(brings_rust="1.96.0")
    assert machine.run().returncode == 0
    assert machine.packages_asked_for() == RUST


@pytest.mark.parametrize(("cargo", "rustc"), [("1.94.1", "1.94.1"), ("1.9.0", "1.9.0"), ("1.96.0", "1.63.0")])
def test_debians_rust_is_installed_where_it_is_too_old(machine: Machine, cargo: str, rustc: str) -> None:
    machine.rust(cargo, compiler=rustc)
    machine.apt(brings_rust="1.96.0")
    assert machine.run().returncode == 0
    assert machine.packages_asked_for() == RUST


def test_an_old_rust_that_stays_before_debians_on_the_path_is_named(machine: Machine) -> None:
    machine.rust("1.80.0")
    done = machine.run()
    assert done.returncode == 1
    assert "1.80.0" in done.stderr
    assert "rustup update" in done.stderr


def test_only_the_packages_that_are_missing_are_installed(machine: Machine) -> None:
    machine.rust("1.96.0")
    machine.installed([name for name in ALWAYS if name not in ("curl", "uidmap")])
    assert machine.run().returncode == 0
    assert machine.packages_asked_for() == ["curl", "uidmap"]


def test_an_ordinary_user_installs_with_sudo(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.program("sudo", 'BY_SUDO=1 "$@"')
    machine.program("apt-get", '[ -n "$BY_SUDO" ] || exit 100')
    machine.rust("1.96.0")
    machine.installed([])
    assert machine.run().returncode == 0


def test_without_root_and_sudo_the_command_to_run_is_printed(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.rust("1.96.0")
    machine.installed([name for name in ALWAYS if name != "curl"])
    done = machine.run()
    assert done.returncode == 1
    assert "apt-get install curl" in done.stderr


def test_other_systems_are_told_what_they_need(machine: Machine) -> None:
    machine.without("apt-get")
    done = machine.run()
    assert done.returncode == 0
    assert "packages.txt" in done.stderr
    assert "Rust 1.95 or newer" in done.stderr
