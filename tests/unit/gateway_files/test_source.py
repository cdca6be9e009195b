"""A directory of manifests: valid content counts, broken content is told about and changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossfade.api.kong.plugin import KongPlugin
from crossfade.gateway_files.manifests import Schemas
from crossfade.gateway_files.source import FileSource, FileState
from crossfade.install.gateway import gateway_crds
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.secret import Secret

SCHEMAS = Schemas(gateway_crds())
PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
config: {minute: %s}
"""


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    return FileSource(tmp_path, SCHEMAS, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))


def read(source: FileSource) -> FileState:
    source.refresh()
    return source.state()


def minute(state: FileState) -> object:
    plugin = state.snapshot.get(KongPlugin, "default", "limit")
    return None if plugin is None or plugin.config is None else plugin.config["minute"]


def test_files_are_read_changed_and_forgotten(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(PLUGIN % 3)
    assert minute(read(source)) == 3
    assert not source.refresh()
    file.write_text(PLUGIN % 4)
    assert minute(read(source)) == 4
    file.unlink()
    assert minute(read(source)) is None


BROKEN = [
    ("a: [", "line 2, column 1"),
    ("just text", "not an object"),
    ("kind: KongPlugin", "without apiVersion and kind"),
    (PLUGIN % '"3"', "KongPlugin default/limit, config.minute: plugin failed schema validation"),
    ((PLUGIN % 3).replace("rate-limiting", "nope"), "KongPlugin default/limit, plugin: "),
    (PLUGIN % 3 + "protocols: [carrier-pigeon]\n", "KongPlugin default/limit, protocols.0: "),
    (PLUGIN % 3 + "disabled: perhaps\n", "KongPlugin default/limit, disabled: "),
    ((PLUGIN % 3).replace("{name: limit}", "{}"), "metadata.name is missing"),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_a_broken_file_keeps_its_last_content(tmp_path: Path, source: FileSource, text: str, expected: str) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(PLUGIN % 3)
    read(source)
    file.write_text(text)
    state = read(source)
    assert minute(state) == 3
    assert state.problems
    told = str(state.problems[0])
    assert str(file) in told
    assert expected in told


def test_a_mended_file_counts_again(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text("a: [")
    assert read(source).problems
    file.write_text(PLUGIN % 5)
    state = read(source)
    assert (minute(state), state.problems) == (5, ())


def test_one_broken_file_does_not_touch_another(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text(PLUGIN % 6)
    assert minute(read(source)) == 6


def test_values_of_secrets_stay_out_of_messages(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "s.yaml").write_text("apiVersion: v1\nkind: Secret\nstringData: {key: hunter2\n")
    (problem,) = read(source).problems
    assert "hunter2" not in str(problem)


def test_plain_secret_data_is_taken_as_the_api_server_does(tmp_path: Path, source: FileSource) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==, b: Yg==}\nstringData: {b: new}\n"
    (tmp_path / "s.yaml").write_text(text)
    secret = read(source).snapshot.get(Secret, "default", "s")
    assert secret is not None
    assert secret.data == {"a": b"a", "b": b"new"}


def test_json_lists_and_old_ingresses_are_read(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "list.json").write_text(
        '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "extensions/v1beta1", "kind": "Ingress",'
        ' "metadata": {"name": "old"}, "spec": {"rules": [{"http": {"paths":'
        ' [{"path": "/x", "backend": {"serviceName": "web", "servicePort": 80}}]}}]}}]}'
    )
    ingress = read(source).snapshot.get(Ingress, "default", "old")
    assert ingress is not None
    http = ingress.spec.rules[0].http
    assert http is not None
    assert http.paths[0].path_type == "ImplementationSpecific"
    assert http.paths[0].backend.service is not None
    assert http.paths[0].backend.service.port.number == 80


def test_an_object_in_two_files_is_taken_from_the_first(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "a.yaml").write_text(PLUGIN % 1)
    (tmp_path / "b.yaml").write_text(PLUGIN % 2)
    state = read(source)
    assert minute(state) == 1
    assert "already defined" in str(state.problems[0])


def test_foreign_kinds_are_named_but_do_no_harm(tmp_path: Path, source: FileSource) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: n}\n"
    (tmp_path / "all.yaml").write_text(f"{namespace}---\n{deployment}---\n{PLUGIN % 3}")
    state = read(source)
    assert minute(state) == 3
    assert [problem.where for problem in state.problems] == ["Deployment n/d"]


def test_other_files_are_left_alone(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "notes.txt").write_text("a: [")
    (tmp_path / ".hidden.yaml").write_text("a: [")
    assert read(source).problems == ()


def test_objects_are_as_old_as_their_first_sight(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "limit.yaml").write_text(PLUGIN % 3)
    plugin = read(source).snapshot.get(KongPlugin, "default", "limit")
    assert plugin is not None
    assert plugin.metadata.creation_timestamp == "2026-01-02T00:00:00Z"
