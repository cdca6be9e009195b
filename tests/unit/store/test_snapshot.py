"""Snapshots that follow one another share what stays and say the same as ones made anew."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import ConfigMap, Secret
from crossfade_kube.meta import ObjectMeta

Item = ConfigMap | Secret
ITEMS = st.builds(
    lambda kind, name, data: kind(metadata=ObjectMeta(name=name, namespace="n"), data=data),
    st.sampled_from([ConfigMap, Secret]),
    st.sampled_from("abcd"),
    st.just({}),
)


def by_key(items: list[Item]) -> dict[tuple[type[Item], str], Item]:
    return {(type(item), item.metadata.name): item for item in items}


@given(st.lists(ITEMS), st.lists(ITEMS), st.lists(ITEMS))
def test_changes_give_what_making_it_anew_gives(first: list[Item], present: list[Item], gone: list[Item]) -> None:
    before = Snapshot.of(first, revision=4)
    after = before.with_changes(present, gone)
    left = {key: item for key, item in by_key(first).items() if key not in by_key(gone)}
    anew = Snapshot.of((left | by_key(present)).values())
    assert after.revision == 5
    for kind in (ConfigMap, Secret):
        assert [id(item) for item in after.all(kind)] == [id(item) for item in anew.all(kind)]
        assert [id(item) for item in before.all(kind)] == [id(item) for item in Snapshot.of(first).all(kind)]
