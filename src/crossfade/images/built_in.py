"""What the product brings to an embedded cluster: the catalogue of its own images, and how they do with one user."""

import sys
from importlib.resources import files
from typing import Final

from crossfade_local.catalogue import Image, parse_images
from crossfade_local.preflight import SharedUser

# Who may bypass the mesh marks its sockets, instead of being known by uid 1337.
SHARED_USER: Final = SharedUser(
    env={"CROSSFADE_PROXY_MARK": "1337"},
    env_by_uid={1337: {"CROSSFADE_SOCKET_MARK": "1337"}},
    consequence="and the mesh knows its proxies by socket mark; "
    "a container that relies on runAsUser 1337 to bypass the mesh will not, but for those of crossfade itself",
)


def built_in_images() -> tuple[Image, ...]:
    folder = files("crossfade.images")
    text = folder.joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return parse_images(text, source="built in", placeholders={"{python}": sys.executable, "{images}": str(folder)})
