"""What the API server counts, and what it says of its health."""

from typing import Any, cast

import pytest

from crossfade_local.apiserver import health
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.crd.lifecycle import served_types
from crossfade_local.apiserver.measures import Measures
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.wire.answers import BytesAnswer
from crossfade_local.apiserver.wire.request import Call, User, request_info
from crossfade_local.apiserver.wire.status import PageNotFoundError


def call(path: str, method: str = "GET", **query: str) -> Call:
    return Call(method, request_info(method, path, query), query, {}, b"", User("u"))


@pytest.fixture
def measures() -> Measures:
    return Measures(Storage(Database(None)), Registry(BuiltinTypes.load()))


def lines(measures: Measures, name: str) -> list[str]:
    return [line for line in measures.text()[0].decode().splitlines() if line.startswith(name)]


def test_requests_are_counted_by_what_they_ask_for(measures: Measures) -> None:
    measures.note(call("/api/v1/namespaces/a/pods/p"), 200, 0.01)
    measures.note(call("/apis/apps/v1/deployments", watch="true"), 200, 60)
    (get, watch) = lines(measures, "apiserver_request_total")
    assert get == (
        'apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",'
        'scope="resource",subresource="",verb="GET",version="v1"} 1.0'
    )
    assert 'resource="deployments",scope="cluster",subresource="",verb="WATCH"' in watch
    # A watch has no latency.
    assert len(lines(measures, "apiserver_request_duration_seconds_count")) == 1


def test_no_client_makes_up_labels(measures: Measures) -> None:
    for number in range(200):
        measures.note(call(f"/apis/made-up/v{number}/things/{number}"), 404, 0.001)
        measures.note(call(f"/api/v1/namespaces/a/pods/p/sub{number}"), 404, 0.001)
        measures.note(call("/", method=f"VERB{number}"), 404, 0.001)
    assert len(lines(measures, "apiserver_request_total")) == 3


def test_what_is_no_longer_served_is_forgotten() -> None:
    registry = Registry(BuiltinTypes.load())
    measures = Measures(Storage(Database(None)), registry)
    names = {"kind": "Song", "plural": "songs", "singular": "song", "listKind": "SongList"}
    versions = [
        {"name": name, "served": True, "storage": name == "v2", "schema": {"openAPIV3Schema": {"type": "object"}}}
        for name in ("v1", "v2")
    ]
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": versions}
    status = {"conditions": [{"type": "Established", "status": "True"}], "acceptedNames": names}
    served = served_types({"metadata": {"name": "songs.example.com"}, "spec": spec, "status": status}, registry)
    registry.set_custom("songs.example.com", served)
    for version in ("v1", "v2"):
        measures.note(call(f"/apis/example.com/{version}/songs"), 200, 0.01)
    with measures.running(call("/apis/example.com/v1/songs", watch="1")):
        assert len(lines(measures, "apiserver_request_total")) == 2
        registry.set_custom("songs.example.com", [one for one in served if one.version == "v2"])
        assert 'version="v2"' in "".join(lines(measures, "apiserver_request_total"))
        assert not [line for line in lines(measures, "apiserver_") if 'version="v1"' in line]
    registry.set_custom("songs.example.com", ())
    measures.note(call("/api/v1/pods"), 200, 0.01)
    assert not [line for line in lines(measures, "apiserver_") if "songs" in line]


def test_what_runs_now_is_shown(measures: Measures) -> None:
    with measures.running(call("/api/v1/pods")), measures.running(call("/api/v1/pods", watch="1")):
        assert lines(measures, "apiserver_current_inflight_requests") == [
            'apiserver_current_inflight_requests{request_kind="readOnly"} 1.0'
        ]
        assert lines(measures, "apiserver_longrunning_requests")[0].endswith(" 1.0")
    assert 'apiserver_storage_objects{resource="pods"} 0.0' in lines(measures, "apiserver_storage_objects")


class _Storage:
    def __init__(self, problem: str) -> None:
        self._problem = problem

    def check(self) -> str:
        return self._problem


def asked(path: str, problem: str = "", **query: str) -> tuple[int, str]:
    class Parts:
        storage = _Storage(problem)

    found = health.answer(cast("Api", Parts()), call(path, **query), path)
    assert isinstance(found, BytesAnswer)
    return found.status, found.body.decode()


@pytest.mark.parametrize(
    ("path", "problem", "query", "expected"),
    [
        ("/readyz", "", {}, (200, "ok")),
        ("/readyz", "", {"verbose": ""}, (200, "[+]ping ok\n[+]state ok\nreadyz check passed\n")),
        ("/livez/ping", "disk", {}, (200, "ok")),
        ("/livez", "disk", {}, (500, "[+]ping ok\n[-]state failed: disk\nlivez check failed\n")),
        ("/livez", "disk", {"exclude": "state"}, (200, "ok")),
        ("/healthz/state", "disk", {}, (500, "[-]state failed: disk\nhealthz check failed\n")),
    ],
)
def test_health(path: str, problem: str, query: dict[str, Any], expected: tuple[int, str]) -> None:
    assert asked(path, problem, **query) == expected


def test_unknown_checks_do_not_exist() -> None:
    with pytest.raises(PageNotFoundError):
        asked("/readyz/etcd")
