from typing import Any

from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import CONFIG_MAP
from crossfade_local.controllers.garbage.graph import Node, Owner, OwnerGraph


def _node(uid: str, *owners: str, **extra: Any) -> Node:
    values: dict[str, Any] = {"finalizers": (), "is_being_deleted": False, **extra}
    references = tuple(Owner(owner, "v1", "ConfigMap", owner, blocks=True) for owner in owners)
    return Node(uid, CONFIG_MAP, NamespacedName("n", uid), references, **values)


def test_dependents_are_due_when_their_owner_goes() -> None:
    graph = OwnerGraph()
    assert graph.put(_node("owner")) == set()
    assert graph.put(_node("child", "owner")) == set()
    assert graph.remove("owner") == {"child"}


def test_a_child_of_an_unknown_owner_is_due_at_once() -> None:
    assert OwnerGraph().put(_node("child", "nobody")) == {"child"}


def test_a_foreground_deletion_is_due_when_its_last_dependent_goes() -> None:
    graph = OwnerGraph()
    graph.put(_node("owner"))
    graph.put(_node("child", "owner"))
    waiting = _node("owner", finalizers=("foregroundDeletion",), is_being_deleted=True)
    assert graph.put(waiting) == {"owner"}
    assert graph.remove("child") == {"owner"}
    assert graph.dependents("owner") == []


def test_a_released_child_is_no_dependent_any_more() -> None:
    graph = OwnerGraph()
    graph.put(_node("owner"))
    graph.put(_node("child", "owner"))
    graph.put(_node("child"))
    assert graph.remove("owner") == set()
