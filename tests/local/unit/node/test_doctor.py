import socket
from pathlib import Path

import pytest

from crossfade_local import doctor
from crossfade_local.doctor import Finding, Verdict, findings, kernel_remedy, memory
from crossfade_local.preflight import Chosen, Mode, NotPossibleError
from crossfade_local.subordinate_ids import Lack


@pytest.fixture(autouse=True)
def a_good_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_programs", dict)
    monkeypatch.setattr(doctor, "choose_mode", lambda: Chosen(Mode.ROOTLESS))
    monkeypatch.setattr(doctor, "problem_in", lambda *_, **__: "")


def of(subject: str, ports: dict[str, int] | None = None) -> Finding:
    return next(one for one in findings(Path("/nowhere/yet"), ports or {}) if one.subject == subject)


def test_a_machine_that_has_all_is_told_so() -> None:
    verdicts = {one.subject: one.verdict for one in findings(Path("/nowhere/yet"), {})}
    assert [verdicts[subject] for subject in ("programs", "namespaces", "redirection")] == [Verdict.GOOD] * 3


def test_missing_programs_have_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_programs", lambda: {"nft": "nftables", "unshare": "util-linux"})
    found = of("programs")
    assert found == Finding(
        "programs", Verdict.MISSING, "without nft, unshare", "sudo apt-get install nftables util-linux"
    )
    assert "namespaces" not in [one.subject for one in findings(Path("/"), {})]


def test_no_namespaces_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Chosen:
        raise NotPossibleError("neither root nor unprivileged user namespaces")

    monkeypatch.setattr(doctor, "choose_mode", refuse)
    found = of("namespaces")
    assert (found.verdict, found.detail) == (Verdict.MISSING, "neither root nor unprivileged user namespaces")


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({}, ""),
        ({"kernel/unprivileged_userns_clone": "1\n"}, ""),
        ({"kernel/unprivileged_userns_clone": "0\n"}, "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            {"kernel/unprivileged_userns_clone": "0", "kernel/apparmor_restrict_unprivileged_userns": "1"},
            "sudo sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_only_switches_that_stand_the_wrong_way_are_turned(settings: dict[str, str], remedy: str) -> None:
    assert kernel_remedy(lambda path: settings.get(path.removeprefix("/proc/sys/"), "")) == remedy


def test_one_uid_is_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    lack = Lack("ann has no subordinate ids", "sudo usermod ann")
    monkeypatch.setattr(doctor, "choose_mode", lambda: Chosen(Mode.SINGLE_UID, lack))
    assert of("namespaces") == Finding(
        "namespaces",
        Verdict.WEAK,
        "rootless with a single uid: containers share one user, since ann has no subordinate ids",
        "sudo usermod ann",
    )


def test_a_kernel_that_cannot_redirect_is_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "problem_in", lambda *_, **__: "iptables-restore v1: \nunknown match owner")
    found = of("redirection")
    assert found.verdict is Verdict.WEAK
    assert found.detail.endswith(": iptables-restore v1: unknown match owner")


@pytest.mark.parametrize(("mode", "match"), [(Mode.ROOT, "owner"), (Mode.ROOTLESS, "owner"), (Mode.SINGLE_UID, "mark")])
def test_redirection_is_tried_as_this_mode_does_it(monkeypatch: pytest.MonkeyPatch, mode: Mode, match: str) -> None:
    def problem(_mode: Mode, _command: object, *, stdin: str = "") -> str:
        return "" if f"-m {match} " in stdin else "another match"

    monkeypatch.setattr(doctor, "choose_mode", lambda: Chosen(mode, None))
    monkeypatch.setattr(doctor, "problem_in", problem)
    assert of("redirection") == Finding("redirection", Verdict.GOOD, f"iptables redirects by {match}")


def test_who_holds_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        found = of(f"port {port}", {"the gateway": port})
    assert found.verdict is Verdict.WEAK
    assert "the gateway gets the next free one" in found.detail


def test_little_memory_is_weak() -> None:
    assert memory("MemTotal: 9 kB\nMemAvailable:     524288 kB\n").verdict is Verdict.WEAK
    assert memory("MemAvailable: 4194304 kB\n") == Finding("memory", Verdict.GOOD, "4096 MiB available")


def test_the_real_machine_is_examined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    found = list(findings(tmp_path / "not" / "there", {}))
    assert {"programs", "memory", "disk", "open files"} <= {one.subject for one in found}
    assert not any(tmp_path.iterdir())
