"""Plugins of Kong's that cannot be here, and what to do instead."""

from typing import Final

INSTEAD: Final[dict[str, str]] = {
    "grpc-gateway": (
        "its proto names a file on Kong's own disk, which no manifest can carry; let the service itself, or a"
        " translator beside it, speak JSON, or let browsers speak gRPC-Web by the plugin grpc-web"
    ),
}
