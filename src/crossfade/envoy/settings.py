"""What the builders must know beyond the model."""

from pathlib import Path
from typing import Final

from msgspec import Struct

KONG_TOKEN: Final = "kong/3.9.1"  # noqa: S105 - a product name


class EnvoyOptions(Struct, frozen=True):
    """Without `policy_library` the policy module is looked for by name on `ENVOY_DYNAMIC_MODULES_SEARCH_PATH`.

    `server_token` is the `Server` header of what the gateway answers itself in the Kong dialect.
    """

    policy_library: Path | None = None
    server_token: str = KONG_TOKEN
