from crossfade.store.cache import Cache
from crossfade_kube.core import ConfigMap, EndpointSlice, Secret
from crossfade_kube.meta import JsonObject
from crossfade_kube.watch import WatchEvent


def _map(name: str, version: int, **data: object) -> JsonObject:
    return {"metadata": {"name": name, "namespace": "prod", "resourceVersion": str(version)}, "data": data}


def test_events_become_snapshots() -> None:
    changes: list[int] = []
    cache = Cache([ConfigMap, Secret], lambda: changes.append(1))
    sink = cache.sink(ConfigMap)
    sink.replace([_map("a", 1, x="1"), _map("b", 2)])
    assert not cache.is_synced
    cache.sink(Secret).replace([])
    assert cache.is_synced
    before = cache.snapshot()
    sink.apply(WatchEvent("MODIFIED", _map("a", 3, x="2")))
    sink.apply(WatchEvent("DELETED", _map("b", 4)))
    sink.apply(WatchEvent("ADDED", _map("c", 5)))
    after = cache.snapshot()
    assert [item.metadata.name for item in before.all(ConfigMap)] == ["a", "b"]
    assert [item.metadata.name for item in after.all(ConfigMap)] == ["a", "c"]
    found = after.get(ConfigMap, "prod", "a")
    assert found is not None
    assert found.data == {"x": "2"}
    assert after.revision > before.revision
    assert len(changes) == 5


def test_a_relist_removes_what_vanished_and_is_silent_when_nothing_changed() -> None:
    changes: list[int] = []
    cache = Cache([ConfigMap], lambda: changes.append(1))
    sink = cache.sink(ConfigMap)
    sink.replace([_map("a", 1), _map("b", 2)])
    sink.replace([_map("a", 1), _map("b", 2)])
    assert len(changes) == 1
    sink.replace([_map("b", 2), _map("c", 3)])
    assert [item.metadata.name for item in cache.snapshot().all(ConfigMap)] == ["b", "c"]
    assert len(changes) == 2


def test_a_bad_object_is_reported_and_stays_as_it_was() -> None:
    cache = Cache([ConfigMap])
    sink = cache.sink(ConfigMap)
    sink.replace([_map("a", 1, x="1"), _map("bad", 2, y=5)])
    sink.apply(WatchEvent("MODIFIED", _map("a", 3, x=7)))
    kept = cache.snapshot().get(ConfigMap, "prod", "a")
    assert kept is not None
    assert kept.data == {"x": "1"}
    assert [str(error) for error in cache.rejected] == [
        "ConfigMap prod/a, data[...]: expected `str`, got `int`",
        "ConfigMap prod/bad, data[...]: expected `str`, got `int`",
    ]
    sink.apply(WatchEvent("MODIFIED", _map("a", 4, x="8")))
    sink.apply(WatchEvent("DELETED", _map("bad", 5)))
    assert cache.rejected == []


def test_nulls_of_the_api_count_as_absent() -> None:
    cache = Cache([EndpointSlice])
    item = {"metadata": {"name": "a", "namespace": "n"}, "addressType": "IPv4", "endpoints": None, "ports": None}
    cache.sink(EndpointSlice).replace([item])
    found = cache.snapshot().get(EndpointSlice, "n", "a")
    assert found is not None
    assert found.endpoints == ()


def test_a_change_leaves_the_views_of_the_other_kinds_and_moments_alone() -> None:
    cache = Cache([ConfigMap, Secret])
    sink = cache.sink(ConfigMap)
    sink.replace([_map("a", 1), _map("c", 2)])
    before = cache.snapshot()
    cache.sink(Secret).replace([{"metadata": {"name": "s", "namespace": "prod"}}])
    between = cache.snapshot()
    assert between.all(ConfigMap) is before.all(ConfigMap)
    sink.apply(WatchEvent("ADDED", _map("b", 3)))
    sink.apply(WatchEvent("DELETED", _map("a", 4)))
    after = cache.snapshot()
    assert [item.metadata.name for item in after.all(ConfigMap)] == ["b", "c"]
    assert after.all(Secret) is between.all(Secret)
    assert [item.metadata.name for item in before.all(ConfigMap)] == ["a", "c"]
    assert after.get(ConfigMap, "prod", "a") is None
    assert after.all(ConfigMap)[1] is before.all(ConfigMap)[1]


def test_what_is_read_counts_only_when_the_list_is_whole() -> None:
    changes: list[int] = []
    cache = Cache([ConfigMap], lambda: changes.append(1))
    sink = cache.sink(ConfigMap)
    sink.replace([_map("a", 1), _map("b", 2)])
    known = cache.snapshot().get(ConfigMap, "prod", "a")
    page = [sink.read(_map("a", 1)), sink.read(_map("b", 3, x="2")), sink.read(_map("c", 4, x=5))]
    assert len(changes) == 1
    assert cache.rejected == []
    sink.replace_read(page)
    after = cache.snapshot()
    assert after.get(ConfigMap, "prod", "a") is known
    assert [item.data for item in after.all(ConfigMap)] == [{}, {"x": "2"}]
    assert [error.ref.name for error in cache.rejected] == ["c"]
    assert len(changes) == 2


def test_the_manifest_that_kubectl_keeps_is_not_kept_here() -> None:
    cache = Cache([ConfigMap])
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "other": "x"}
    item = _map("a", 1)
    item["metadata"]["annotations"] = annotations
    cache.sink(ConfigMap).replace([item])
    found = cache.snapshot().get(ConfigMap, "prod", "a")
    assert found is not None
    assert found.metadata.annotations == {"other": "x"}
    assert len(annotations) == 2
