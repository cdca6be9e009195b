"""A view made from the one before it is the same as one made anew, and the one before stays as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.store.kind_view import KindView
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import ConfigMap, Secret
from crossfade_kube.meta import NamespacedName, ObjectMeta

NAMES = st.builds(NamespacedName, st.sampled_from(["", "a", "b", "b-"]), st.sampled_from("abcdef"))
CHANGES = st.dictionaries(NAMES, st.one_of(st.none(), st.integers()), max_size=12)


@given(st.lists(CHANGES, max_size=12))
def test_views_follow_each_other(steps: list[dict[NamespacedName, int | None]]) -> None:
    view: KindView[int] = KindView({})
    truth: dict[NamespacedName, int] = {}
    for changes in steps:
        before, before_truth = view, dict(truth)
        view = view.after(changes)
        for name, item in changes.items():
            if item is None:
                truth.pop(name, None)
            else:
                truth[name] = item
        assert list(view) == sorted(truth)
        assert view.items_in_order == tuple(truth[name] for name in sorted(truth))
        assert dict(view) == truth
        assert (dict(before), list(before)) == (before_truth, sorted(before_truth))


def test_many_changes_at_once() -> None:
    names = [NamespacedName("n", f"{number:04}") for number in range(3000)]
    view = KindView(dict.fromkeys(names[::2], 1)).after(
        {name: 2 if index % 3 else None for index, name in enumerate(names)}
    )
    assert list(view) == [name for index, name in enumerate(names) if index % 3]
    assert set(view.items_in_order) == {2}


def test_what_did_not_change_is_the_same() -> None:
    view = KindView({NamespacedName("n", "a"): 1})
    assert view.after({}) is view
    assert KindView.of(view) is view


def test_later_changes_of_its_source_do_not_reach_a_view() -> None:
    source = {NamespacedName("n", "a"): 1}
    view = KindView(source)
    source[NamespacedName("n", "b")] = 2
    assert len(view) == 1
    with pytest.raises(TypeError):
        view[NamespacedName("n", "a")] = 5  # type: ignore[index]


def test_a_snapshot_shares_the_kinds_that_did_not_change() -> None:
    meta = ObjectMeta(name="a", namespace="n")
    maps = KindView({meta.key: ConfigMap(metadata=meta)})
    first = Snapshot(1, {ConfigMap: maps, Secret: {}})
    second = Snapshot(2, {ConfigMap: maps, Secret: {meta.key: Secret(metadata=meta)}})
    assert first.all(ConfigMap) is second.all(ConfigMap)
    assert (first.all(Secret), len(second.all(Secret))) == ((), 1)
