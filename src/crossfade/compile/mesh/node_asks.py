"""What annotations of a virtual node ask of its own listeners: limits of rate and of size."""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from msgspec import structs

from crossfade.api.appmesh import VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.asks import ALL, Ask, asked, tell
from crossfade.compile.mesh.body_limits import MAX_REQUEST_BYTES, limited, read_size
from crossfade.compile.mesh.rate_limits import RATE_LIMIT, read_rate_limit
from crossfade.compile.routing.routes import Forward, RateLimit, Route

T = TypeVar("T")
# A stream of gRPC has no length, and cannot be held until it ends.
_SIZED: Final = ("http", "http2")
_WITH_REQUESTS: Final = (*_SIZED, "grpc")


class NodeAsks(NamedTuple):
    """By port."""

    limits: Mapping[int, RateLimit]
    sizes: Mapping[int, int]

    def applied(self, port: int, route: Route, forward: Forward) -> tuple[Route, ...]:
        """In place of the only `route` of the port's listener, whose action is `forward`."""
        forward = structs.replace(forward, rate_limit=self.limits.get(port))
        most = self.sizes.get(port)
        return (structs.replace(route, action=forward),) if most is None else limited(route, forward, most)


def node_asks(node: VirtualNode, diagnostics: Diagnostics) -> NodeAsks:
    limits = asked(node, RATE_LIMIT, read_rate_limit, diagnostics)
    sizes = asked(node, MAX_REQUEST_BYTES, read_size, diagnostics)
    return NodeAsks(
        _by_port(node, RATE_LIMIT, limits, _WITH_REQUESTS, diagnostics),
        _by_port(node, MAX_REQUEST_BYTES, sizes, _SIZED, diagnostics),
    )


def _by_port(
    node: VirtualNode, ask: Ask, found: Mapping[str, T], protocols: tuple[str, ...], diagnostics: Diagnostics
) -> dict[int, T]:
    """A line for one port comes before that for all."""
    mappings = [listener.port_mapping for listener in node.spec.listeners]
    usable = {str(one.port): one.port for one in mappings if one.protocol in protocols}
    for name in found:
        if name != ALL and name not in usable:
            told = f"no listener on port {name[:20]!a} speaks {' or '.join(protocols)}"
            tell(node, ask, told, diagnostics)
    if ALL in found and not usable:
        tell(node, ask, f"no listener speaks {' or '.join(protocols)}", diagnostics)
    general = dict.fromkeys(usable.values(), found[ALL]) if ALL in found else {}
    return general | {usable[name]: value for name, value in found.items() if name in usable}
