"""HTTP client for the Kubernetes API: objects in and out as plain JSON, one watch connection at a time.

It repeats a request by itself only where that cannot do harm: when the server said "try later" before acting (429,
or 503 with Retry-After on reads), or when a read found nobody listening. Watching on, and listing again after an
expired version, is the reflector's job.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, Self, TypeAlias, TypeVar

import aiohttp
import orjson

from crossfade_kube.denials import Denials
from crossfade_kube.errors import ApiError, ApiUnreachable, Expired, error_from_response, error_from_status
from crossfade_kube.kubeconfig import BearerToken, ClusterConfig
from crossfade_kube.meta import JsonObject, Resource
from crossfade_kube.paths import APPLY, JSON_PATCH, MERGE, STRATEGIC, path_of, query_of
from crossfade_kube.watch import WatchEvent

__all__ = ["APPLY", "JSON_PATCH", "MERGE", "STRATEGIC", "Client", "ObjectList", "WatchEvent"]

JsonPatch: TypeAlias = list[JsonObject]

PAGE_SIZE: Final = 500
CONNECT_TIMEOUT_S: Final = 5.0
WATCH_TIMEOUT_S: Final = 290
# Servers send a bookmark a minute at least; a longer silence means that the connection died without a word.
WATCH_INACTIVITY_S: Final = 100.0
_RETRY_BUDGET_S: Final = 10.0
_FIRST_RETRY_S: Final = 0.05
_SHOWN_BYTES: Final = 120


class _NotAnEventError(ValueError):
    """A line of a watch that no API server sends."""


# What cannot be read as JSON, or not as an event, comes from something in between, not from an API server.
_NO_ANSWER: Final = (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError, _NotAnEventError)


T = TypeVar("T")


class ObjectList(NamedTuple, Generic[T]):
    """All items; `resource_version` is where a watch continues."""

    items: list[T]
    resource_version: str


class Client:
    """An authenticated connection pool; use as an async context manager."""

    def __init__(self, config: ClusterConfig, *, user_agent: str = "crossfade", timeout_s: float = 30.0) -> None:
        self.config = config
        self._token = BearerToken(config)
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._session: aiohttp.ClientSession | None = None
        self._denials = Denials()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # Every watch holds a connection, so the pool has no bound of its own.
            connector=aiohttp.TCPConnector(
                limit=0,
                socket_factory=None if self.config.socket_mark is None else partial(_marked, self.config.socket_mark),
                ssl=self.config.ssl_context() or True,
                # Older Pythons leave TLS connections open that were closed before their end, as watches are.
                enable_cleanup_closed=sys.version_info < (3, 12, 7),
            ),
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            auto_decompress=True,
            json_serialize=_encode_text,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
            # TLS connections close their sockets a turn of the loop after their session, and it may be the last turn.
            for _ in range(3):
                await asyncio.sleep(0)

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None, subresource: str | None = None
    ) -> JsonObject:
        return await self.request("GET", path_of(resource, namespace=namespace, name=name, subresource=subresource))

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> ObjectList[JsonObject]:
        """Everything, fetched page by page; items carry apiVersion and kind although the server leaves them out."""
        return await self.list_read(
            resource, _as_it_is, namespace=namespace, label_selector=label_selector, field_selector=field_selector
        )

    async def list_read(
        self,
        resource: Resource,
        read: Callable[[JsonObject], T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> ObjectList[T]:
        """What `read` makes of each item as its page comes; what it does not keep is gone before the next page."""
        selectors = query_of(label_selector=label_selector, field_selector=field_selector)
        path = path_of(resource, namespace=namespace)
        try:
            return await self._list_pages(resource, path, selectors | {"limit": str(PAGE_SIZE)}, read)
        except Expired:
            # The continue token grew too old between two pages: one large answer is consistent.
            return await self._list_pages(resource, path, selectors, read)

    async def _list_pages(
        self, resource: Resource, path: str, query: dict[str, str], read: Callable[[JsonObject], T]
    ) -> ObjectList[T]:
        found: list[T] = []
        while True:
            page = await self.request("GET", path, query=query)
            metadata = page.get("metadata") or {}
            for item in page.pop("items", None) or ():
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
                found.append(read(item))
            if not metadata.get("continue"):
                return ObjectList(found, metadata.get("resourceVersion") or "")
            query = {**query, "continue": metadata["continue"]}

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str = "",
        label_selector: str | None = None,
        field_selector: str | None = None,
        inactivity_s: float = WATCH_INACTIVITY_S,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events, bookmarks included, until the server ends the connection; wrap it in `contextlib.aclosing`.

        Raises Expired when `resource_version` is too old, ApiUnreachable when the connection breaks or stays silent.
        """
        query = query_of(
            watch=True,
            allow_watch_bookmarks=True,
            resource_version=resource_version,
            timeout_seconds=WATCH_TIMEOUT_S,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        path = path_of(resource, namespace=namespace)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=inactivity_s)
        try:
            async with self._connected.get(
                self.config.server + path, params=query, timeout=timeout, **self._connection_options()
            ) as response:
                if response.status != 200:
                    raise error_from_response(response.status, await response.read(), request=f"watch {path}")
                async for line in _lines(response.content):
                    yield _event_from_line(line, path)
        except _NO_ANSWER as exc:
            raise self._unreachable("watch", exc) from exc

    async def create(
        self,
        resource: Resource,
        obj: JsonObject,
        *,
        namespace: str | None = None,
        subresource_of: str | None = None,
        subresource: str | None = None,
        field_manager: str | None = None,
    ) -> JsonObject:
        """The stored object. With `subresource`, posts to that of the object named `subresource_of` (pods/binding)."""
        path = path_of(
            resource, namespace=namespace or _namespace_of(obj), name=subresource_of, subresource=subresource
        )
        return await self.request("POST", path, body=obj, query=query_of(field_manager=field_manager))

    async def replace(
        self,
        resource: Resource,
        obj: JsonObject,
        *,
        subresource: str | None = None,
        field_manager: str | None = None,
        tells_denial: bool = True,
    ) -> JsonObject:
        """The stored object; raises Conflict when `obj` carries a resourceVersion that is no longer the current one.

        `tells_denial` as in `request`.
        """
        path = path_of(resource, namespace=_namespace_of(obj), name=obj["metadata"]["name"], subresource=subresource)
        query = query_of(field_manager=field_manager)
        return await self.request("PUT", path, body=obj, query=query, tells_denial=tells_denial)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: JsonObject | JsonPatch,
        *,
        namespace: str | None = None,
        content_type: str = MERGE,
        subresource: str | None = None,
        field_manager: str | None = None,
        tells_denial: bool = True,
    ) -> JsonObject:
        """The stored object; `tells_denial` as in `request`."""
        path = path_of(resource, namespace=namespace, name=name, subresource=subresource)
        query = query_of(field_manager=field_manager)
        return await self.request(
            "PATCH", path, body=patch, query=query, content_type=content_type, tells_denial=tells_denial
        )

    async def apply(
        self,
        resource: Resource,
        obj: JsonObject,
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> JsonObject:
        """Server-side apply: `field_manager` comes to own exactly the fields that `obj` holds."""
        path = path_of(resource, namespace=_namespace_of(obj), name=obj["metadata"]["name"], subresource=subresource)
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        query = query_of(field_manager=field_manager, force=force)
        return await self.request("PATCH", path, body=body, query=query, content_type=APPLY)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        propagation_policy: str | None = None,
        grace_period_s: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> JsonObject:
        """The object as it is being deleted, or a Status; Conflict when `uid` or `resource_version` differ."""
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if propagation_policy:
            options["propagationPolicy"] = propagation_policy
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        if preconditions := query_of(uid=uid, resource_version=resource_version):
            options["preconditions"] = preconditions
        return await self.request("DELETE", path_of(resource, namespace=namespace, name=name), body=options)

    async def delete_collection(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        propagation_policy: str | None = None,
    ) -> JsonObject:
        query = query_of(label_selector=label_selector, propagation_policy=propagation_policy)
        return await self.request("DELETE", path_of(resource, namespace=namespace), query=query)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str | None = None,
        tells_denial: bool = True,
    ) -> JsonObject:
        """Any request whose answer is a JSON object: discovery, non-resource paths; raises ApiError, ApiUnreachable.

        What the role does not allow is logged, unless the caller knows another way, or tells it by itself.
        """
        headers = {"Content-Type": content_type} if body is not None else {}
        if accept:
            headers["Accept"] = accept
        data = None if body is None else orjson.dumps(body)
        started, wait_s = time.monotonic(), _FIRST_RETRY_S
        while True:
            try:
                return await self._request_once(method, path, query=query or {}, data=data, headers=headers)
            except (ApiError, ApiUnreachable) as exc:
                delay_s = _retry_delay_s(exc, method, wait_s)
                if delay_s is None or time.monotonic() - started + delay_s > _RETRY_BUDGET_S:
                    if tells_denial:
                        self._denials.tell(exc, method, path)
                    raise
            await asyncio.sleep(delay_s)
            wait_s *= 2

    async def pieces(
        self, path: str, *, headers: Mapping[str, str] | None = None, quiet_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The body of an answer that is no JSON, as it comes; `path` with its query, as it is to be sent.

        With `quiet_s` it may take any time but no longer silence. Raises ApiError, ApiUnreachable; wrap it in
        `contextlib.aclosing`.
        """
        url, timeout = self.config.server + path, self._timeout
        if quiet_s is not None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=quiet_s)
        try:
            async with self._connected.get(url, timeout=timeout, **self._connection_options(headers)) as response:
                if response.status != 200:
                    raise error_from_response(response.status, await response.read(), request=f"GET {path}")
                async for piece in response.content.iter_any():
                    yield piece
        except _NO_ANSWER as exc:
            raise self._unreachable("GET", exc) from exc

    async def _request_once(
        self, method: str, path: str, *, query: Mapping[str, str], data: bytes | None, headers: dict[str, str]
    ) -> JsonObject:
        try:
            async with self._connected.request(
                method,
                self.config.server + path,
                params=query,
                data=data,
                timeout=self._timeout,
                **self._connection_options(headers),
            ) as response:
                content = await response.read()
                if response.status < 300:
                    return _object_from(content)
                raise error_from_response(
                    response.status,
                    content,
                    request=f"{method} {path}",
                    retry_after_s=_seconds(response.headers.get("Retry-After")),
                )
        except _NO_ANSWER as exc:
            raise self._unreachable(method, exc) from exc

    @property
    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside of its context")
        return self._session

    def _connection_options(self, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        all_headers = dict(headers or {})
        if token := self._token.current():
            all_headers["Authorization"] = f"Bearer {token}"
        options: dict[str, Any] = {"headers": all_headers, "allow_redirects": False}
        if self.config.tls_server_name:
            options["server_hostname"] = self.config.tls_server_name
        return options

    def _unreachable(self, verb: str, exc: BaseException) -> ApiUnreachable:
        return ApiUnreachable(server=self.config.server, verb=verb, problem=str(exc) or type(exc).__name__)


def _as_it_is(item: JsonObject) -> JsonObject:
    return item


def _retry_delay_s(exc: ApiError | ApiUnreachable, method: str, wait_s: float) -> float | None:
    """None: do not repeat."""
    if isinstance(exc, ApiUnreachable):
        cause = exc.__cause__
        refused = isinstance(cause, aiohttp.ClientConnectorError) and not isinstance(cause, aiohttp.ClientSSLError)
        return wait_s if refused and method == "GET" else None
    if exc.retry_after_s is None:
        return wait_s if exc.code == 429 else None
    return exc.retry_after_s if exc.code == 429 or (exc.code == 503 and method == "GET") else None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length; the reader's own `readline` refuses long ones."""
    pending = bytearray()
    async for chunk in content.iter_any():
        pending += chunk
        if b"\n" in chunk:
            *complete, rest = bytes(pending).split(b"\n")
            pending = bytearray(rest)
            for line in complete:
                if line.strip():
                    yield line


def _event_from_line(line: bytes, path: str) -> WatchEvent:
    event = _object_from(line)
    if event.get("type") == "ERROR" and isinstance(event.get("object"), dict):
        raise error_from_status(event["object"], request=f"watch {path}")
    try:
        if not event["object"]["metadata"]["resourceVersion"]:
            raise KeyError("resourceVersion")
        return WatchEvent(event["type"], event["object"])
    except (KeyError, TypeError) as exc:
        raise _NotAnEventError(f"{line[:_SHOWN_BYTES]!r} is not a watch event: it lacks {exc}") from exc


def _object_from(content: bytes) -> JsonObject:
    if not content:
        return {}
    value = orjson.loads(content)
    return value if isinstance(value, dict) else {"value": value}


def _namespace_of(obj: JsonObject) -> str | None:
    return (obj.get("metadata") or {}).get("namespace")


def _seconds(header: str | None) -> float | None:
    """The date form of Retry-After is not used by API servers."""
    return float(header) if header and header.isdecimal() else None


def _marked(mark: int, address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    except OSError:
        made.close()
        raise
    return made


def _encode_text(value: Any) -> str:
    return orjson.dumps(value).decode()
