from typing import Any

from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import CONFIG_MAP
from crossfade_kube.watch import WatchEvent
from crossfade_local.controllers.informers import Informer

KEY = NamespacedName("prod", "a")


def _map(version: int, name: str = "a") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "prod", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": str(version)}}


def _watched(informer: Informer) -> list[tuple[str | None, str | None]]:
    seen: list[tuple[str | None, str | None]] = []

    def version(obj: dict[str, Any] | None) -> str | None:
        return obj["metadata"]["resourceVersion"] if obj else None

    informer.on_change(lambda before, after: seen.append((version(before), version(after))))
    return seen


def test_own_writes_count_at_once_and_only_once() -> None:
    informer = Informer(CONFIG_MAP)
    seen = _watched(informer)
    informer.observe(_map(5))
    informer.apply(WatchEvent("ADDED", _map(5)))
    informer.observe(_map(7))
    informer.apply(WatchEvent("MODIFIED", _map(6)))
    informer.apply(WatchEvent("MODIFIED", _map(7)))
    assert seen == [(None, "5"), ("5", "7")]


def test_a_late_answer_does_not_bring_back_the_dead() -> None:
    informer = Informer(CONFIG_MAP)
    informer.apply(WatchEvent("ADDED", _map(5)))
    informer.apply(WatchEvent("DELETED", _map(6)))
    informer.observe(_map(5))
    assert informer.get(KEY) is None


def test_a_relist_reports_what_vanished() -> None:
    informer = Informer(CONFIG_MAP)
    informer.replace([_map(1), _map(2, "b")])
    seen = _watched(informer)
    informer.replace([_map(4, "c"), _map(2, "b")])
    assert seen == [(None, "1"), (None, "2"), ("1", None), (None, "4")]
    assert len(informer.in_namespace("prod")) == 2


def test_metadata_only() -> None:
    informer = Informer(CONFIG_MAP, metadata_only=True)
    informer.apply(WatchEvent("ADDED", _map(5)))
    assert informer.get(KEY) == {key: value for key, value in _map(5).items() if key != "data"}


def test_nothing_is_kept_of_a_namespace_without_objects() -> None:
    informer = Informer(CONFIG_MAP)
    informer.apply(WatchEvent("ADDED", _map(5)))
    informer.apply(WatchEvent("ADDED", _map(6, "b")))
    informer.apply(WatchEvent("DELETED", _map(7)))
    assert [item["metadata"]["name"] for item in informer.in_namespace("prod")] == ["b"]
    informer.replace([])
    assert informer._by_namespace == {}
