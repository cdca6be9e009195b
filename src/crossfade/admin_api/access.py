"""How the Admin API gets at what proxy-cache keeps."""

import secrets
from typing import Final

from crossfade.envoy.settings import CachedAccess

POD_SOCKET: Final = "crossfade-gateway-cached"
"""A pod has a network namespace of its own, and one gateway. The same after a restart of the controller, so that the
proxy need not open another."""


def new_access(socket: str | None = None) -> CachedAccess:
    """Without `socket` under a name that no other gateway has. The token is of 128 random bits."""
    return CachedAccess(socket or f"crossfade-cached-{secrets.token_hex(8)}", secrets.token_hex(16))
