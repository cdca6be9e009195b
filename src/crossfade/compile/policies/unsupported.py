"""Plugins of Kong's that cannot be here, and what to do instead."""

from typing import Final

INSTEAD: Final[dict[str, str]] = {
    "aws-lambda": (
        "the gateway invokes no functions itself; give the function a URL of its own or an Application Load Balancer,"
        " and name that as the backend: a Service of type ExternalName"
    ),
    "grpc-gateway": (
        "its proto names a file on Kong's own disk, which no manifest can carry; let the service itself, or a"
        " translator beside it, speak JSON, or let browsers speak gRPC-Web by the plugin grpc-web"
    ),
}
