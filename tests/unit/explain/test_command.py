"""`crossfade explain` as a program: where it takes the objects from, and how it ends."""

import io
import json
from pathlib import Path

import pytest

from crossfade.cli.app import main
from tests.unit.explain.manifests import DATABASE, SHOP

URL = "http://a.test/shop"


def test_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    assert main(["explain", "GET", URL, "-f", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"GET {URL}\n  listener  http ")
    assert told.err == "crossfade explain: 3 errors in the manifests; `crossfade check` says which\n"
    assert main(["explain", "GET", URL, "-H", "apikey: s3cret", "-f", str(tmp_path), "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["forwarded"]["consumer"] == "ann"


def test_a_connection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kong.conf").write_text("stream_listen = 0.0.0.0:9000")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "db.yaml").write_text(DATABASE)
    asked = ["explain", "tcp://127.0.0.1:9000", "-f", str(tmp_path / "all")]
    assert main([*asked, "--kong-conf", str(tmp_path / "kong.conf")]) == 0
    assert "  forwards  to default.db.5432" in capsys.readouterr().out
    assert main([*asked, "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["refusal"].startswith("nothing listens there")
    assert [one["code"] for one in found["diagnostics"]] == ["stream.no-listener"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["explain", "GET", URL, "-f", "-"]) == 0
    assert "404" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["GET", "shop", "-f", "-"], 2, "is not a URL"),
        (["GET", URL, "-f", "/nowhere"], 2, "no such file"),
        (["GET", URL, "--kubeconfig", "/nowhere"], 1, "/nowhere"),
        (["GET", URL, "-f", "-", "--trusted-ips", "10.0.0.0/99"], 1, "--trusted-ips is '10.0.0.0/99'"),
        (["GET", URL, "-f", "-", "--kong-conf", "/nowhere"], 1, "/nowhere"),
        ([URL, "-f", "-"], 2, "give METHOD and URL"),
        (["GET", "tcp://127.0.0.1:9000", "-f", "-"], 2, "give METHOD and URL"),
        (["GET", URL], 2, "say by what: -f PATH"),
        (["tcp://127.0.0.1", "-f", "-"], 2, "is not like tcp://127.0.0.1:9000"),
    ],
)
def test_what_cannot_be_explained(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert text in told.err
    assert told.err.startswith("crossfade explain: ")


def test_wrong_usage() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", "GET", URL, "-f", "-", "--client", "nobody"])


def test_a_method_without_a_url_is_no_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "GET"]) == 2
    told = capsys.readouterr().err
    assert "'GET' is no id of a request" in told
    assert "hint: what would become of a request is asked with METHOD and URL" in told
