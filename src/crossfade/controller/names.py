"""The roles, and the words that stand for them: their names, and the originals' programs. Imports nothing."""

from typing import Final, Literal

Role = Literal["mesh", "gateway"]

PROGRAMS: Final[dict[str, Role]] = {
    "mesh": "mesh",
    "gateway": "gateway",
    "controller": "mesh",
    "kong-ingress-controller": "gateway",
    "manager": "gateway",
}
