"""Which user and group ids containers can have: those that the node's user namespace maps. Pure."""

from typing import Final, NamedTuple

from crossfade_local.kubelet.privileges import Identity

_NOBODY: Final = 65_535


class IdMap(NamedTuple):
    """Ids within the cluster, in ranges."""

    uids: tuple[range, ...]
    gids: tuple[range, ...]

    @property
    def is_single(self) -> bool:
        """All containers are one user."""
        return sum(map(len, self.uids)) == 1

    @property
    def nobody(self) -> int:
        """What needs no files: the highest of both kinds, at most that of Kubernetes' pause container."""
        return min(_NOBODY, self.uids[-1][-1], self.gids[-1][-1])

    def problem(self, identity: Identity) -> str:
        """Why no program can have it; empty when one can."""
        if identity.uid is not None and (problem := self.problem_with_user(identity.uid)):
            return problem
        return next((_beyond(f"group {gid}", self.gids) for gid in identity.groups if not _holds(self.gids, gid)), "")

    def problem_with_user(self, uid: int) -> str:
        return "" if _holds(self.uids, uid) else _beyond(f"user {uid}", self.uids)

    def problem_with_group(self, gid: int) -> str:
        return "" if _holds(self.gids, gid) else _beyond(f"group {gid}", self.gids)


def parse(uid_map: str, gid_map: str) -> IdMap:
    """Of /proc/self/uid_map and gid_map."""
    return IdMap(_ranges(uid_map), _ranges(gid_map))


def _ranges(text: str) -> tuple[range, ...]:
    lines = [list(map(int, line.split())) for line in text.splitlines()]
    return tuple(range(first, first + count) for first, _, count in lines)


def _holds(ranges: tuple[range, ...], number: int) -> bool:
    return any(number in one for one in ranges)


def _beyond(what: str, ranges: tuple[range, ...]) -> str:
    last = max(one[-1] for one in ranges)
    return (
        f"{what} is not among the ids of this rootless cluster, which end at {last}: ask for a lower one, "
        "or start the cluster as root"
    )
