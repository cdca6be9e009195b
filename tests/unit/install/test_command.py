"""`crossfade install` takes the values of the charts."""

from pathlib import Path

import pytest

from crossfade.cli.app import main
from crossfade_kube import yaml_texts


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, object]], str]:
    code = main(["install", *arguments])
    out, err = capsys.readouterr()
    return code, list(yaml_texts.load_all(out)), err


def test_values_of_files_count_the_later_the_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("replicaCount: 2\ncrossfade: {compat: kong-3}\n")
    second.write_text("replicaCount: 3\n")
    code, found, _ = run("gateway", "--crds", "without", "-f", str(first), "-f", str(second), capsys=capsys)
    (deployment,) = [one for one in found if one["kind"] == "Deployment"]
    assert (code, deployment["spec"]["replicas"]) == (0, 3)  # type: ignore[index]
    assert "kong-3" in str(deployment)


@pytest.mark.parametrize(("part", "count"), [("gateway", 13), ("mesh", 7)])
def test_the_definitions_of_kinds_alone(part: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    _, found, _ = run(part, "--crds", "only", capsys=capsys)
    assert [one["kind"] for one in found] == ["CustomResourceDefinition"] * count
    _, others, _ = run(part, "--crds", "without", capsys=capsys)
    assert "CustomResourceDefinition" not in {one["kind"] for one in others}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("replicaCount: many\n", "replicaCount: "),
        ("enterprise: {enabled: true}\n", "enterprise.enabled: it is a part of"),
    ],
)
def test_values_that_do_not_exist_are_named(
    values: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(values)
    code, _, err = run("gateway", "-f", str(file), capsys=capsys)
    assert code == 1
    assert said in err


def test_values_without_effect_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("preview: true\n")
    code, _, err = run("mesh", "-f", str(file), capsys=capsys)
    assert code == 0
    assert "preview: has no effect" in err


@pytest.mark.parametrize("content", ["- a list\n", "a: {\n", None])
def test_a_file_that_is_none_is_named(content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "values.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit):
        run("gateway", "-f", str(file), capsys=capsys)
    assert str(file) in capsys.readouterr().err


def test_who_may_see_the_requests_of_a_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["install", "tap", "-n", "prod", "--group", "team: a", "--user", "ann", "--control-plane", "gateways"]
    assert main(words) == 0
    found = list(yaml_texts.load_all(capsys.readouterr().out))
    bound = {
        (one["metadata"]["namespace"], one["roleRef"]["name"]): [subject["name"] for subject in one["subjects"]]
        for one in found
        if one["kind"] == "RoleBinding"
    }
    assert bound == {
        ("prod", "crossfade-tap"): ["crossfade-tap"],
        ("prod", "crossfade-tap-for-people"): ["team: a", "ann"],
        ("gateways", "crossfade-tap-for-prod"): ["team: a", "ann"],
    }
    roles = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found if one["kind"] == "Role"}
    assert roles == set(bound)


@pytest.mark.parametrize(("where", "kind"), [(("-n", "prod"), "Role"), (("-A",), "ClusterRole")])
def test_who_may_see_what_proxies_count(where: tuple[str, ...], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "top", *where, "--group", "team: a", "--user", "ann"]) == 0
    role, binding = yaml_texts.load_all(capsys.readouterr().out)
    assert (role["kind"], binding["kind"], binding["roleRef"]["kind"]) == (kind, f"{kind}Binding", kind)
    assert [subject["name"] for subject in binding["subjects"]] == ["team: a", "ann"]
    allowed = {(resource, *rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    assert allowed >= {("pods", "list"), ("pods/proxy", "get")}
    assert (("virtualnodes", "list") in allowed) is (kind == "ClusterRole")
    assert not any(resource == "secrets" for resource, *_ in allowed)


@pytest.mark.parametrize("part", ["tap", "top"])
@pytest.mark.parametrize(
    "words",
    [["-n", "prod"], ["--group", "a"], ["-n", "Prod", "--group", "a"], ["-n", "prod", "--user", " "]],
)
def test_the_right_of_nobody_or_nowhere_is_refused(
    part: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["install", part, *words])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert (code, capsys.readouterr().out) == (2, "")
