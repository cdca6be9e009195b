"""What only the proxy knows, asked of Envoy's own admin interface: connections, and which endpoints it sends to."""

from typing import Any, Final

import aiohttp
import orjson

from crossfade.envoy.names import CACHED_LISTENER, METRICS_LISTENER, STATUS_LISTENER, metrics_socket

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
_PAGE_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_NAMES: Final = ("downstream_cx_total", "downstream_cx_active", "downstream_rq_total", "downstream_rq_active")
_STATS: Final = f"/stats?format=json&filter=^http\\..*\\.({'|'.join(_NAMES)})$"
_OWN: Final = (
    "http.admin.",
    "http.async-client.",
    *(f"http.{name}." for name in (CACHED_LISTENER, METRICS_LISTENER, STATUS_LISTENER)),
)


class EnvoyAdmin:
    """On loopback; what Envoy does not answer is nothing."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connections(self) -> dict[str, int]:
        return connection_numbers(await self._get(_STATS))

    async def healths(self) -> dict[str, dict[str, bool]]:
        """By cluster and `address:port`."""
        return target_healths(await self._get("/clusters?format=json"))

    async def metrics(self, query: str) -> str | None:
        """The page that the policy module makes; None if it does not answer."""
        connector = aiohttp.UnixConnector(path=f"\0{metrics_socket(self._port)}")
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=_PAGE_TIMEOUT) as session,
                session.get(f"http://proxy/metrics?{query}") as response,
            ):
                return await response.text() if response.status == 200 else None
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None

    async def _get(self, path: str) -> Any:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(f"http://127.0.0.1:{self._port}{path}") as response,
            ):
                return orjson.loads(await response.read())
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return {}


def connection_numbers(stats: Any) -> dict[str, int]:
    """In Kong's words; Envoy's own interface does not count."""
    sums = dict.fromkeys(_NAMES, 0)
    for item in stats.get("stats", ()):
        name, value = str(item.get("name", "")), item.get("value")
        last = name.rpartition(".")[2]
        if isinstance(value, int) and last in sums and not name.startswith(_OWN):
            sums[last] += value
    total, active, requests, open_requests = (sums[_NAMES[index]] for index in (0, 1, 2, 3))
    return {
        "connections_accepted": total,
        "connections_handled": total,
        "connections_active": active,
        "connections_reading": 0,
        "connections_writing": min(active, open_requests),
        "connections_waiting": max(0, active - open_requests),
        "total_requests": requests,
    }


def target_healths(clusters: Any) -> dict[str, dict[str, bool]]:
    return {
        str(cluster.get("name")): {
            _address(host): _is_healthy(host.get("health_status") or {}) for host in cluster.get("host_statuses", ())
        }
        for cluster in clusters.get("cluster_statuses", ())
    }


def _address(host: Any) -> str:
    socket = (host.get("address") or {}).get("socket_address") or {}
    address = str(socket.get("address", ""))
    return f"[{address}]:{socket.get('port_value')}" if ":" in address else f"{address}:{socket.get('port_value')}"


def _is_healthy(status: Any) -> bool:
    failed = any(value is True for name, value in status.items() if name.startswith("failed_"))
    return not failed and status.get("eds_health_status", "HEALTHY") in ("HEALTHY", "UNKNOWN")
