"""How the controller's role is found, whatever program a chart believes to start."""

import pytest

from crossfade.cli.app import main

Call = dict[str, object]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Call:
    found: Call = {}
    monkeypatch.setattr("crossfade.controller.start.run_controller", lambda **given: found.update(given))
    for name in ("CONTROLLER_INGRESS_CLASS", "CONTROLLER_ELECTION_ID"):
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.mark.parametrize(
    ("words", "role", "flags"),
    [
        (["--role", "gateway"], "gateway", ()),
        (["--role=mesh", "--kubeconfig", "f"], "mesh", ()),
        (["--role", "gateway", "/kong-ingress-controller"], "gateway", ()),
        (["/kong-ingress-controller", "--log-level=debug"], "gateway", ("--log-level=debug",)),
        (["/controller", "--log-level", "debug"], "mesh", ("--log-level", "debug")),
        (["--role", "gateway", "--watch", "x", "--y=z"], "gateway", ("--watch", "x", "--y=z")),
    ],
)
def test_role_and_flags(called: Call, words: list[str], role: str, flags: tuple[str, ...]) -> None:
    assert main(["controller", *words]) == 0
    assert (called["role"], called["arguments"]) == (role, flags)


def test_kongs_variables_mean_a_gateway(called: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROLLER_INGRESS_CLASS", "kong")
    assert main(["controller"]) == 0
    assert called["role"] == "gateway"


def test_without_any_sign_it_is_asked_for(called: Call, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["controller", "--log-level=debug"])
    assert not called
    assert "say --role mesh or --role gateway" in capsys.readouterr().err


@pytest.mark.parametrize("level", ["loud", "1"])
def test_a_log_level_that_is_none_ends_the_start(
    level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONTROLLER_LOG_LEVEL", level)
    monkeypatch.delenv("CROSSFADE_LOG_LEVEL", raising=False)
    assert main(["controller", "--role", "gateway"]) == 1
    assert f"the log level is {level!r}" in capsys.readouterr().err
