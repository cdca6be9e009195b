"""What the builders must know beyond the model."""

from pathlib import Path
from typing import Final

from msgspec import Struct

KONG_TOKEN: Final = "kong/3.9.1"  # noqa: S105 - a product name


class CachedAccess(Struct, frozen=True):
    """Where the policy module shows what proxy-cache keeps, to whoever knows the token.

    `socket` is a name in Linux' abstract namespace, which the proxy's network namespace has for itself.
    """

    socket: str
    token: str

    def __repr__(self) -> str:
        return f"CachedAccess({self.socket}, ***)"


class EnvoyOptions(Struct, frozen=True):
    """Without `policy_library` the policy module is looked for by name on `ENVOY_DYNAMIC_MODULES_SEARCH_PATH`.

    `server_token` is the `Server` header of what the gateway answers itself in the Kong dialect. Without `cached`
    nobody can see, or purge, what proxy-cache keeps.
    """

    policy_library: Path | None = None
    server_token: str = KONG_TOKEN
    cached: CachedAccess | None = None
    metrics_of: int | None = None
    """The admin port of the gateway's proxy, if somebody may ask for its metrics (`names.metrics_socket`)."""
    sends_records: bool = False
    """Proxies tell the control plane of requests, as many as it gives them tokens for (`telemetry.records`)."""
