"""Merging the files one change after the other says the same as merging them anew."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade.gateway_files.uses import Merging, Place, Use
from crossfade_kube.meta import ObjectRef

REFS = [ObjectRef("v1", "Service", "default", name) for name in "abcd"]
File = dict[ObjectRef, Use]
FILES = st.dictionaries(
    st.sampled_from(REFS),
    st.builds(lambda is_valid: Use(object(), Place("file"), is_valid), st.booleans()),
    max_size=2,
)
# Names of files, and what each holds from then on; None takes it away.
CHANGES = st.lists(st.tuples(st.sampled_from("wxyz"), st.none() | FILES), max_size=12)


@given(CHANGES)
def test_changes_give_what_all_files_together_give(changes: list[tuple[str, File | None]]) -> None:
    files: dict[str, File] = {}
    merging = Merging()
    before: dict[ObjectRef, Use] = {}
    for name, content in changes:
        if content is None:
            files.pop(name, None)
        else:
            files[name] = content
        in_order = [files[name] for name in sorted(files)]
        found, anew = merging.merge(in_order), Merging().merge(in_order)
        assert (found.uses, found.duplicates) == (anew.uses, anew.duplicates)
        present = {ref for ref, use in found.uses.items() if ref not in before or before[ref].item is not use.item}
        assert set(found.changed) == present | (before.keys() - found.uses.keys())
        assert set(map(id, found.present)) == {id(found.uses[ref].item) for ref in present}
        before = dict(found.uses)
