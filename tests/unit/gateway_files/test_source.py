"""A directory of manifests: valid objects count, of refused ones the last valid state, and nothing else suffers."""

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.plugin_protos import ProtoConfigMap, proto_files
from crossfade.compile.memo import Memo
from crossfade.gateway_files.directory import Directory
from crossfade.gateway_files.protos import LARGEST
from crossfade.gateway_files.reading import gateway_reading
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.source import FILE_KEPT, FILE_UNUSED, KEPT, NAMELESS, NAMELESS_KEPT, FileSource, FileState
from crossfade.install.gateway import gateway_crd
from crossfade.store.snapshot import KubernetesObject
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.secret import Secret
from tests.unit.gateway_files.manifests import CONSUMER, INGRESS, PLUGIN, SERVICE

READING = gateway_reading(Schemas(gateway_crd))
T = TypeVar("T", bound=KubernetesObject)


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    return FileSource(Directory(tmp_path), READING, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))


def read(source: FileSource) -> FileState:
    source.refresh()
    return source.state()


def found(state: FileState, kind: type[T], name: str) -> T:
    item = state.snapshot.get(kind, "default", name)
    assert item is not None
    return item


def minute(state: FileState) -> object:
    plugin = state.snapshot.get(KongPlugin, "default", "limit")
    return None if plugin is None or plugin.config is None else plugin.config.get("minute")


def told(state: FileState) -> list[tuple[str, str, str]]:
    """Object, field and effect."""
    return [(str(report.ref or ""), report.problem.field, report.effect) for report in state.reports]


def test_files_are_read_changed_and_forgotten(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(PLUGIN % 3)
    assert minute(read(source)) == 3
    assert not source.refresh()
    file.write_text(PLUGIN % 4)
    assert minute(read(source)) == 4
    file.unlink()
    assert minute(read(source)) is None


REFUSED = [
    (PLUGIN % '"3"', "config.minute"),
    ((PLUGIN % 3).replace("rate-limiting", "nope"), "plugin"),
    (PLUGIN % 3 + "protocols: [carrier-pigeon]\n", "protocols[0]"),
    (PLUGIN % 3 + "disabled: perhaps\n", "disabled"),
    ((PLUGIN % 3).replace("{name: limit}", "{name: limit, labels: [a]}"), "metadata.labels"),
    (PLUGIN % 3 + 'instance_name: "\\ud800"\n', "instance_name"),
    (PLUGIN % 3 + "ordering: &x {before: *x}\n", "ordering"),
    ((PLUGIN % 3).replace("limit}", "limit, labels: &x {a: *x, global: true}}"), "metadata"),
]


@pytest.mark.parametrize(("text", "field"), REFUSED)
def test_a_refused_object_keeps_its_last_valid_state_and_no_other(
    tmp_path: Path, source: FileSource, text: str, field: str
) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"{PLUGIN % 3}---\n{SERVICE}")
    before = read(source)
    file.write_text(f"{text}---\n{SERVICE.replace('9080', '9081')}")
    state = read(source)
    assert minute(state) == 3
    assert found(state, KongPlugin, "limit") is found(before, KongPlugin, "limit")
    assert found(state, EndpointSlice, "web-1").ports[0].port == 9081
    (name, where, effect) = told(state)[0]
    assert (name, effect) == ("KongPlugin default/limit", KEPT)
    assert where == field
    file.write_text(PLUGIN % 5)
    state = read(source)
    assert (minute(state), state.reports) == (5, ())


@pytest.mark.parametrize("text", [text for text, _ in REFUSED])
def test_a_plugin_that_was_never_valid_closes_its_routes(tmp_path: Path, source: FileSource, text: str) -> None:
    (tmp_path / "all.yaml").write_text(f"{text}---\n{SERVICE}")
    state = read(source)
    (use,) = (use for ref, use in state.uses.items() if ref.kind == "KongPlugin")
    assert not use.is_valid
    assert found(state, EndpointSlice, "web-1")
    assert "answered 503" in told(state)[0][2]


def test_a_global_plugin_stays_global_when_it_is_refused(tmp_path: Path, source: FileSource) -> None:
    text = (PLUGIN % 3).replace("KongPlugin", "KongClusterPlugin").replace("limit}", "limit, labels: {global: true}}")
    (tmp_path / "all.yaml").write_text(text)
    plugin = read(source).snapshot.get(KongClusterPlugin, "", "limit")
    assert plugin is not None
    assert plugin.is_global


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ((INGRESS % "/x").replace("rules:", "rules: 5\n  other:"), "its rules match no request"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: '?'}\n", "it counts as absent"),
        (CONSUMER % ("ann", "''"), "the consumer's credentials are not accepted"),
    ],
)
def test_an_object_that_was_never_valid_is_absent(tmp_path: Path, source: FileSource, text: str, effect: str) -> None:
    (tmp_path / "all.yaml").write_text(f"{text}---\n{PLUGIN % 3}")
    state = read(source)
    assert minute(state) == 3
    assert [ref.kind for ref in state.uses] == ["KongPlugin"]
    assert told(state)[0][2] == effect


@pytest.mark.parametrize("text", ["just text\n", "kind: KongPlugin\n", (PLUGIN % 3).replace("{name: limit}", "{}")])
def test_while_something_has_no_name_nothing_goes(tmp_path: Path, source: FileSource, text: str) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"{text}---\n{SERVICE}")
    state = read(source)
    assert told(state) == [("", "", NAMELESS)]
    assert found(state, EndpointSlice, "web-1")
    file.write_text(f"{PLUGIN % 3}---\n{SERVICE}")
    assert minute(read(source)) == 3
    file.write_text(text)
    state = read(source)
    assert told(state) == [("", "", NAMELESS_KEPT)]
    assert minute(state) == 3
    file.write_text(SERVICE)
    assert minute(read(source)) is None


def test_a_file_that_is_no_yaml_stays_as_it_was_and_others_go_on(tmp_path: Path, source: FileSource) -> None:
    file, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    file.write_text("a: [")
    state = read(source)
    assert told(state) == [("", "", FILE_UNUSED)]
    file.write_text(PLUGIN % 3)
    read(source)
    file.write_text(f"{PLUGIN % 4}---\na: [")
    other.write_text(SERVICE)
    state = read(source)
    assert minute(state) == 3
    assert found(state, EndpointSlice, "web-1")
    (report,) = state.reports
    assert (report.effect, report.place.line) == (FILE_KEPT, 7)
    file.write_text(PLUGIN % 4)
    state = read(source)
    assert (minute(state), state.reports) == (4, ())


def test_what_was_refused_stays_refused_while_the_file_is_no_yaml(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(PLUGIN % '"3"')
    read(source)
    file.write_text(PLUGIN % '"3"' + "---\na: [")
    assert [str(report.ref or "") for report in read(source).reports] == ["", "KongPlugin default/limit"]


def test_after_a_restart_what_is_refused_is_absent(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "all.yaml").write_text(INGRESS % "/x")
    read(source)
    (tmp_path / "all.yaml").write_text((INGRESS % "/x").replace("rules:", "rules: 5\n  other:"))
    assert found(read(source), Ingress, "web")
    assert read(FileSource(Directory(tmp_path), READING)).snapshot.all(Ingress) == ()


def test_the_same_text_gives_the_very_same_objects(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"{PLUGIN % 3}---\n{SERVICE}")
    before = read(source)
    file.write_text(f"# new\n---\n{CONSUMER % ('ann', 'ann')}---\n{PLUGIN % 3}---\n{SERVICE.replace('9080', '9081')}")
    after = read(source)
    assert found(after, KongPlugin, "limit") is found(before, KongPlugin, "limit")
    assert found(after, EndpointSlice, "web-1") is not found(before, EndpointSlice, "web-1")
    assert sorted(ref.name for ref in after.changed) == ["ann", "web-1"]
    file.rename(tmp_path / "renamed.yaml")
    renamed = read(source)
    assert renamed.changed == ()
    assert found(renamed, KongPlugin, "limit") is found(before, KongPlugin, "limit")
    assert all(use.place.path.endswith("renamed.yaml") for use in renamed.uses.values())


def test_links_are_followed_as_kubernetes_mounts_them(tmp_path: Path, source: FileSource) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "limit.yaml").write_text(PLUGIN % number)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "limit.yaml").symlink_to("..data/limit.yaml")
    assert minute(read(source)) == 1
    assert source.link_targets == {str(tmp_path / "..1")}
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert minute(read(source)) == 2
    assert source.link_targets == {str(tmp_path / "..2")}


def test_what_cannot_be_read_stays_as_it_was(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(PLUGIN % 3)
    read(source)
    file.write_bytes(b"\xff")
    state = read(source)
    assert (minute(state), told(state)) == (3, [("", "", FILE_KEPT)])
    assert "not UTF-8" in state.reports[0].problem.message
    file.write_text(PLUGIN % 3)
    state = read(source)
    assert (minute(state), told(state)) == (3, [])
    file.unlink()
    os.mkfifo(file)
    assert "not a regular file" in read(source).reports[0].problem.message


def test_a_directory_that_is_gone_takes_nothing_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    source = FileSource(Directory(folder), READING)
    (folder / "limit.yaml").write_text(PLUGIN % 3)
    read(source)
    folder.rename(tmp_path / "elsewhere")
    state = read(source)
    assert minute(state) == 3
    assert "cannot be read" in state.reports[0].problem.message
    assert not source.refresh()
    folder.mkdir()
    state = read(source)
    assert (minute(state), state.reports) == (None, ())


def test_a_file_that_is_named_is_read_whatever_its_time(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "limit.yaml"
    file.write_text(PLUGIN % 3)
    other = tmp_path / "other.yaml"
    other.write_text(SERVICE)
    read(source)
    other.write_text("a: [")
    file.write_text(PLUGIN % 4)
    assert source.refresh(["limit.yaml", "never.yaml", "notes.txt"])
    state = source.state()
    assert (minute(state), state.reports) == (4, ())


def test_one_of_thousands_costs_one(tmp_path: Path, source: FileSource) -> None:
    for number in range(2000):
        (tmp_path / f"{number}.yaml").write_text(CONSUMER % (f"c{number}", f"c{number}"))
    before = read(source)
    (tmp_path / "7.yaml").write_text(CONSUMER % ("c7", "other"))
    assert source.refresh(["7.yaml"])
    after = source.state()
    assert [ref.name for ref in after.changed] == ["c7"]
    same = zip(before.snapshot.all(KongConsumer), after.snapshot.all(KongConsumer), strict=True)
    assert sum(one is not other for one, other in same) == 1


def test_plain_secret_data_is_taken_as_the_api_server_does(tmp_path: Path, source: FileSource) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==, b: Yg==}\nstringData: {b: new}\n"
    (tmp_path / "s.yaml").write_text(text)
    assert found(read(source), Secret, "s").data == {"a": b"a", "b": b"new"}


def test_json_lists_and_old_ingresses_are_read(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "list.json").write_text(
        '{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "extensions/v1beta1", "kind": "Ingress",'
        ' "metadata": {"name": "old"}, "spec": {"rules": [{"http": {"paths":'
        ' [{"path": "/x", "backend": {"serviceName": "web", "servicePort": 80}}]}}]}}, {"kind": "Odd"}]}'
    )
    state = read(source)
    http = found(state, Ingress, "old").spec.rules[0].http
    assert http is not None
    assert http.paths[0].path_type == "ImplementationSpecific"
    assert http.paths[0].backend.service is not None
    assert http.paths[0].backend.service.port.number == 80
    assert [report.place.position for report in state.reports] == [(1,)]


def test_an_object_in_two_files_is_taken_from_the_first_that_is_valid(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "a.yaml").write_text(PLUGIN % 1)
    (tmp_path / "b.yaml").write_text(PLUGIN % 2)
    state = read(source)
    assert minute(state) == 1
    assert f"already defined in {tmp_path}/a.yaml" in state.reports[0].problem.message
    (tmp_path / "a.yaml").unlink()
    assert minute(read(source)) == 2
    (tmp_path / "a.yaml").write_text(PLUGIN % '"1"')
    assert minute(read(source)) == 2


def test_foreign_kinds_are_named_but_do_no_harm(tmp_path: Path, source: FileSource) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: n}\n"
    (tmp_path / "all.yaml").write_text(f"{namespace}---\n{deployment}---\n{PLUGIN % 3}")
    state = read(source)
    assert minute(state) == 3
    assert told(state) == [("Deployment n/d", "", "")]


def test_other_files_are_left_alone(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "notes.txt").write_text("a: [")
    (tmp_path / ".hidden.yaml").write_text("a: [")
    assert read(source).reports == ()


def test_objects_are_as_old_as_their_first_sight(tmp_path: Path, source: FileSource) -> None:
    (tmp_path / "limit.yaml").write_text(PLUGIN % 3)
    assert found(read(source), KongPlugin, "limit").metadata.creation_timestamp == "2026-01-02T00:00:00Z"


GOOD = [CONSUMER % (f"c{number}", f"c{number}") for number in range(4)]
BAD = [
    *(text for text, _ in REFUSED),
    "just text\n",
    "- a\n- b\n",
    "kind: 5\n",
    (INGRESS % "/x").replace("{name: web", "{name: {}"),
]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([*GOOD, *BAD]), max_size=10), st.lists(st.sampled_from([*GOOD, *BAD]), max_size=10))
def test_whatever_stands_beside_it_a_good_object_counts(first: list[str], then: list[str]) -> None:
    with TemporaryDirectory() as folder:
        source = FileSource(Directory(Path(folder)), READING)
        for texts in (first, then):
            (Path(folder) / "all.yaml").write_text("---\n".join(texts))
            names = {item.metadata.name for item in read(source).snapshot.all(KongConsumer)}
            assert names >= {f"c{number}" for number, text in enumerate(GOOD) if text in texts}


def test_proto_files_are_beside_the_manifests(tmp_path: Path, source: FileSource) -> None:
    file = tmp_path / "shop.proto"
    file.write_text("message M {}")
    (item,) = read(source).snapshot.all(ProtoConfigMap)
    assert item.data == {"shop.proto": "message M {}"}
    assert proto_files(source.state().snapshot, Memo(), Diagnostics()) == {"": item.data}
    file.write_text("--- no: [yaml")
    (item,) = read(source).snapshot.all(ProtoConfigMap)
    assert item.data == {"shop.proto": "--- no: [yaml"}
    file.write_text("x" * (LARGEST + 1))
    state = read(source)
    assert state.snapshot.all(ProtoConfigMap) == (item,)
    assert told(state) == [("ConfigMap shop.proto", "", KEPT)]
    file.unlink()
    assert read(source).snapshot.all(ProtoConfigMap) == ()
