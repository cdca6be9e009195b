"""`pods/[http:]NAME[:PORT]/proxy/PATH`: one plain request to a port of a pod, from the API server's own network.

Only to addresses that pods have: whoever may write a pod's status reaches nothing of the node's own by it.
"""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
from aiohttp import web

from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire.answers import Answer, StreamAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, not_found

_DROPPED: Final = frozenset({"authorization", "cookie", "host", "connection", "content-length", "transfer-encoding"})
_BEFORE_PATH: Final = 8
_USUAL_PORT: Final = 80
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)


async def answer(api: Api, call: Call, resource: ResourceType) -> Answer:
    name, port = _name_and_port(call.info.name)
    stored = api.storage.get(resource.bucket, call.info.namespace, name)
    if stored is None:
        raise not_found(resource.plural, resource.group, name)
    address = _address(stored.object, port)
    request: web.BaseRequest = call.transport
    headers = {key: value for key, value in call.headers.items() if key.lower() not in _DROPPED}
    session = aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False, trust_env=False)
    try:
        response = await session.request(
            call.method,
            f"http://{address}{_path(request.raw_path)}",
            headers=headers,
            data=call.body or None,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        await session.close()
        raise StatusError(503, "ServiceUnavailable", f"error trying to reach service: {error}", {}) from error
    return StreamAnswer(_chunks(session, response), response.headers.get("Content-Type", "text/plain"), response.status)


def _name_and_port(text: str) -> tuple[str, int | None]:
    """Raises StatusError."""
    parts = text.split(":")
    if parts[0] in ("http", "") and len(parts) == 3:
        parts = parts[1:]
    port = parts[1] if len(parts) == 2 else ""
    if len(parts) > 2 or (port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16)):
        raise bad_request(f"invalid pod request {text!r}")
    return parts[0], int(port) if port else None


def _address(pod: dict[str, Any], port: int | None) -> str:
    """Raises StatusError."""
    text = str((pod.get("status") or {}).get("podIP") or "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise bad_request(f"pod {pod['metadata']['name']} does not have an IP address") from None
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        raise StatusError(403, "Forbidden", f"address {address} is not allowed", {})
    ports = (item for container in pod["spec"].get("containers") or () for item in container.get("ports") or ())
    default = next((item["containerPort"] for item in ports), _USUAL_PORT)
    return f"{f'[{address}]' if address.version == 6 else address}:{port or default}"


def _path(raw_path: str) -> str:
    """What stands behind `proxy`, as it was sent."""
    path, mark, query = raw_path.partition("?")
    return "/" + "/".join(path.split("/")[_BEFORE_PATH:]) + mark + query


async def _chunks(session: aiohttp.ClientSession, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError):
        # The pod went away in the middle; what came until then was sent.
        return
    finally:
        response.close()
        await session.close()
