"""Finds the processes that are hit, by what they are."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from tests.local.reliability.remains import PARTS, children_of, environment_of, node_of, parent_of, started

ROLE: Final = "ROLE"
_ENVOY: Final = "/envoy"
# Not on the way from the gateway to the jazz services.
_ASIDE: Final = ("dj_prod", "metal-v1_prod", "metal-v2_prod")


class Victims:
    def __init__(self, data_dir: Path, chance: random.Random) -> None:
        self._data_dir = data_dir
        self._chance = chance

    def find(self, name: str) -> int:
        """Raises LookupError, OSError or ValueError while there is none."""
        if name == "up":
            return self.up()
        if name == "container":
            return self._one_of("djapp.py", lambda pid: environment_of(pid).get(ROLE) == "hit")
        if name.endswith(" controller"):
            return self._one_of(f"controller --role {name.split()[0]}")
        if name in ("api", "node", "init"):
            (part,) = [part for part in PARTS if part.endswith(name) or (name == "api" and "api" in part)]
            # `unshare` names init, too; its own process is the younger one.
            return started(part, str(self._data_dir))[-1]
        envoy = self._envoy(name.removesuffix("'s launcher"))
        return parent_of(envoy) if name.endswith("launcher") else envoy

    def up(self) -> int:
        return int(yaml.safe_load((self._data_dir / "run/up.json").read_text())["pid"])

    def all(self) -> list[int]:
        """Every process of the cluster but `up`."""
        return children_of(self.up())

    def _envoy(self, name: str) -> int:
        if name == "gateway":
            return self._one_of(_ENVOY, lambda pid: _is_envoy(pid) and not _virtual_node_of(pid))
        wanted = ("kong_kong",) if name == "gateway's sidecar" else _ASIDE
        return self._one_of(_ENVOY, lambda pid: _is_envoy(pid) and _virtual_node_of(pid).endswith(wanted))

    def _one_of(self, word: str, fits: Callable[[int], bool] = lambda _: True) -> int:
        found = [pid for pid in children_of(node_of(self._data_dir), word) if fits(pid)]
        if not found:
            raise LookupError(word)
        return self._chance.choice(found)


def _is_envoy(pid: int) -> bool:
    """Its launcher has the same words on its command line, behind others."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(_ENVOY.encode())


def _virtual_node_of(envoy: int) -> str:
    return environment_of(envoy).get("APPMESH_VIRTUAL_NODE_NAME", "")
