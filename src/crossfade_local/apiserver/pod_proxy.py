"""`pods|services/[SCHEME:]NAME[:PORT]/proxy/PATH`: one plain request to a port, from the API server's own network.

Only to addresses that pods have: whoever may write a pod's status reaches nothing of the node's own by it. What
`nodes/NAME/proxy` may see is what the node agent itself answers.
"""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import aiohttp
from yarl import URL

from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.service_proxy import endpoint_of
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire.answers import Answer, StreamAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, not_found

_DROPPED: Final = frozenset({"authorization", "cookie", "host", "connection", "content-length", "transfer-encoding"})
_BEFORE_PATH: Final = 8
_BEFORE_NODE_PATH: Final = 6
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_USUAL_PORT: Final = 80
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)


class _Asked(NamedTuple):
    """What stands in the place of the name."""

    scheme: str
    name: str
    port: str


async def answer(api: Api, call: Call, resource: ResourceType) -> Answer:
    if resource.plural == "nodes":
        return await _ask_node(api, call, resource)
    scheme, name, port = _asked(call.info.name, resource.plural)
    if resource.plural == "services":
        text, number = endpoint_of(api, call.info.namespace, name, port)
        address = _joined(_checked(text), number)
    else:
        stored = api.storage.get(resource.bucket, call.info.namespace, name)
        if stored is None:
            raise not_found(resource.plural, resource.group, name)
        address = _address(stored.object, int(port) if port else None)
    session = aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False, trust_env=False)
    return await _forwarded(call, session, f"{scheme}://{address}{_path(call.transport.raw_path, _BEFORE_PATH)}")


async def _ask_node(api: Api, call: Call, resource: ResourceType) -> Answer:
    name = call.info.name.partition(":")[0]
    if api.storage.get(resource.bucket, "", name) is None:
        raise not_found(resource.plural, resource.group, name)
    connector = aiohttp.UnixConnector(path=api.kubelet.path())
    session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)
    path = _path(call.transport.raw_path, _BEFORE_NODE_PATH)
    if {".", ".."} & set(path.partition("?")[0].split("/")):
        raise bad_request(f"invalid node request {path!r}")
    return await _forwarded(call, session, f"http://kubelet/node{path}")


async def _forwarded(call: Call, session: aiohttp.ClientSession, url: str) -> Answer:
    headers = {key: value for key, value in call.headers.items() if key.lower() not in _DROPPED}
    try:
        response = await session.request(
            call.method,
            URL(url, encoded=True),
            headers=headers,
            data=call.body or None,
            allow_redirects=False,
            ssl=False,
        )
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        await session.close()
        raise StatusError(503, "ServiceUnavailable", f"error trying to reach service: {error}", {}) from error
    return StreamAnswer(_chunks(session, response), response.headers.get("Content-Type", "text/plain"), response.status)


def _asked(text: str, plural: str) -> _Asked:
    """Raises StatusError."""
    parts = text.split(":")
    scheme = "http"
    if parts[0] in ("http", "https", "") and len(parts) == 3:
        scheme, parts = parts[0] or "http", parts[1:]
    port = parts[1] if len(parts) == 2 else ""
    is_number = port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 1 << 16
    is_name = plural == "services" and port.replace("-", "").isalnum() and not port.isdecimal()
    if len(parts) > 2 or (port and not (is_number or is_name)):
        raise bad_request(f"invalid {plural.removesuffix('s')} request {text!r}")
    return _Asked(scheme, parts[0], port)


def _address(pod: dict[str, Any], port: int | None) -> str:
    """Raises StatusError."""
    text = str((pod.get("status") or {}).get("podIP") or "")
    if not text:
        raise bad_request(f"pod {pod['metadata']['name']} does not have an IP address")
    address = _checked(text)
    ports = (item for container in pod["spec"].get("containers") or () for item in container.get("ports") or ())
    default = next((item["containerPort"] for item in ports), _USUAL_PORT)
    return _joined(address, port or default)


def _checked(text: str) -> Address:
    """Raises StatusError for what is no address, or none that a pod can have."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise bad_request(f"{text!r} is not an IP address") from None
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        raise StatusError(403, "Forbidden", f"address {address} is not allowed", {})
    return address


def _joined(address: Address, port: int) -> str:
    return f"{f'[{address}]' if address.version == 6 else address}:{port}"


def _path(raw_path: str, before: int) -> str:
    """What stands behind `proxy`, as it was sent."""
    path, mark, query = raw_path.partition("?")
    return "/" + "/".join(path.split("/")[before:]) + mark + query


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
