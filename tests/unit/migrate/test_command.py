"""`crossfade migrate kong` as a program: what it writes, what it prints, how it ends."""

import json
import stat
from pathlib import Path

import pytest

from crossfade.cli.app import main
from tests.unit.gateway_files.manifests import PLUGIN

DECK = """\
_format_version: "3.0"
services:
- name: shop
  url: http://127.0.0.1:9080
  routes: [{name: shop, paths: [/shop]}]
consumers:
- username: ann
  keyauth_credentials: [{key: s3cret}]
"""


def test_manifests_of_a_deck_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kong.yaml").write_text(DECK)
    out = tmp_path / "out"
    assert main(["migrate", "kong", str(tmp_path / "kong.yaml"), "-o", str(out), "-n", "prod"]) == 0
    told = capsys.readouterr()
    assert "exact: service shop → Service prod/shop, EndpointSlice prod/shop" in told.out
    assert told.err == "crossfade migrate: 4 exact, 0 different, 0 refused\n"
    assert "s3cret" not in told.out
    assert sorted(path.name for path in out.iterdir()) == [
        "consumers.yaml",
        "ingresses.yaml",
        "secrets.yaml",
        "services.yaml",
    ]
    assert stat.S_IMODE((out / "secrets.yaml").stat().st_mode) == 0o600
    assert main(["check", "-f", str(out)]) == 0
    capsys.readouterr()
    assert main(["migrate", "kong", str(tmp_path / "kong.yaml"), "-o", str(out)]) == 2
    assert "already; choose another directory" in capsys.readouterr().err


def test_manifests_are_reported_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "limit.yaml").write_text(f"{PLUGIN % 5}---\n{PLUGIN.replace('name: limit', 'name: bad') % 0}")
    assert main(["migrate", "kong", str(tmp_path), "--output", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in ("exact", "different", "refused")} == {
        "exact": 1,
        "different": 0,
        "refused": 1,
    }
    (entry,) = found["entries"]
    assert (entry["entity"], entry["field"], entry["verdict"]) == ("KongPlugin default/bad", "config.minute", "refused")
    assert main(["migrate", "kong", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "need no conversion" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "_format_version: '9.0'"])
def test_what_cannot_be_read(text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        (tmp_path / "kong.yaml").write_text(text)
    assert main(["migrate", "kong", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("crossfade migrate: ")
    assert main(["migrate", "kong", str(tmp_path / "gone")]) == 2
