"""What manifests hold does nothing to the terminal on which people read about it."""

from pathlib import Path

import pytest

from crossfade.cli.app import main
from crossfade.cli.gateway import _say
from crossfade.compile.diagnostics import Severity
from crossfade.gateway_files.message import Message

HOSTILE = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: "p"}
plugin: "key-\\x1b[31mauth\\u202e\\x9b1m"
"""
SEEN = "key-\\x1b[31mauth\\u202e\\x9b1m"


@pytest.mark.parametrize(
    "command",
    [["check", "-f", "{}"], ["migrate", "kong", "{}"], ["explain", "GET", "http://a.test/\x1b[31m", "-f", "{}"]],
)
def test_commands_that_read_manifests(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hostile.yaml").write_text(HOSTILE)
    main([word.format(tmp_path) for word in command])
    told = "".join(capsys.readouterr())
    assert "\\x1b[31m" in told
    assert not any(char in told for char in "\x1b\u202e\x9b")


def test_a_gateway_that_follows_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    _say(Message("a.yaml:1", "plugin '\x1b[31m'", Severity.ERROR, hint="use \x9b1m"))
    told = capsys.readouterr().err
    assert "plugin '\\x1b[31m'\nhint: use \\x9b1m" in told
    assert "\x1b" not in told
