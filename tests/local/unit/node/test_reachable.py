"""Under which names pods could find what they may not."""

from pathlib import PurePosixPath

import pytest

from crossfade_local.kubelet.reachable import names_of, outermost, parse_mounts, parse_sockets

ROOT = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw"
DISK = "30 22 8:1 / /mnt/disk rw - ext4 /dev/sda1 rw"


@pytest.mark.parametrize(
    ("mounts", "names"),
    [
        ([], ["/home/me/data"]),
        ([ROOT], ["/home/me/data"]),
        ([ROOT, "23 22 254:0 /home /srv/homes rw - ext4 /dev/vda rw"], ["/home/me/data", "/srv/homes/me/data"]),
        ([ROOT, "23 22 254:0 /home/me/data/pki /srv/keys rw - ext4 /dev/vda rw"], ["/home/me/data", "/srv/keys"]),
        ([ROOT, "23 22 254:0 /home/you /srv/you rw - ext4 /dev/vda rw"], ["/home/me/data"]),
        ([ROOT, DISK, "31 22 8:1 /me /home/me rw - ext4 /dev/sda1 rw"], ["/home/me/data", "/mnt/disk/me/data"]),
        # The later of two mounts on one place is the one that is seen.
        ([ROOT, "30 22 8:1 / /home rw - ext4 /dev/sda1 rw", "31 30 8:2 / /home rw - ext4 /dev/sda2 rw",
          "32 22 8:2 / /other rw - ext4 /dev/sda2 rw"], ["/home/me/data", "/other/me/data"]),
        ([ROOT, r"23 22 254:0 /home/me /srv/a\040b rw - ext4 /dev/vda rw"], ["/home/me/data", "/srv/a b/data"]),
        ([ROOT, "23 22 8:9 /home/me /srv/x rw - ext4 /dev/sdx rw", "broken"], ["/home/me/data"]),
    ],
)  # fmt: skip
def test_names_of_a_directory(mounts: list[str], names: list[str]) -> None:
    found = names_of(PurePosixPath("/home/me/data"), parse_mounts("\n".join(mounts)))
    assert [str(path) for path in found] == names


def test_sockets_with_a_file() -> None:
    table = """Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 20000 /run/docker.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20001 @abstract
0000000000000000: 00000002 00000000 00010000 0001 01 20002 relative/path
0000000000000000: 00000003 00000000 00000000 0001 03 20003
0000000000000000: 00000002 00000000 00000000 0002 01 20004 /home/me/with space
"""
    assert [str(path) for path in parse_sockets(table)] == ["/home/me/with space", "/run/docker.sock"]


def test_the_outermost_of_several_places_and_never_all() -> None:
    paths = map(PurePosixPath, ("/run", "/run/docker.sock", "/runner", "/a/b/c", "/a/b", "/"))
    assert [str(path) for path in outermost(paths)] == ["/a/b", "/run", "/runner"]
