import pytest

from crossfade_local.subordinate_ids import Lack, lack_of


def missing(first: int) -> Lack:
    ids = f"{first}-{first + 65_535}"
    command = f"sudo usermod --add-subuids {ids} --add-subgids {ids} ann"
    return Lack("ann has no subordinate ids in /etc/subuid and /etc/subgid", command)


@pytest.mark.parametrize(
    ("subuid", "subgid", "found"),
    [
        (["ann:100000:65536"], ["ann:100000:65536"], None),
        (["1000:100000:65536"], ["ann:100000:1"], None),
        ([], [], missing(100_000)),
        (["ann:100000:65536"], [], missing(165_536)),
        (["bob:100000:65536", "eve:231072:65536"], ["bob:100000:65536"], missing(296_608)),
        (["bob:100000:10"], ["bob:100000:10"], missing(165_536)),
        (["ann:100000:0"], ["ann:100000:0"], missing(100_000)),
        (["bob:500:10"], ["bob:500:10"], missing(100_000)),
        (["", "# ann", "ann", "ann:x:y", "annabel:100000:65536"], ["ann:100000:65536"], missing(165_536)),
    ],
)
def test_what_a_user_lacks(subuid: list[str], subgid: list[str], found: Lack | None) -> None:
    assert lack_of("ann", 1000, [subuid, subgid]) == found
