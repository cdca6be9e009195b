"""An API server in memory, as small as the client's tests allow, with faults on request.

It knows ConfigMap-like objects under any resource path: versions, list pages, watches with bookmarks, conflicts, 410.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

Json = dict[str, Any]


class FakeApi:
    """State and faults; `requests` holds (method, path, query, headers) of everything asked."""

    def __init__(self) -> None:
        self.version = 0
        self.oldest_version = 0
        self.objects: dict[str, Json] = {}
        self.history: list[tuple[int, str, Json]] = []
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.answers: list[tuple[int, Json, dict[str, str]]] = []
        self.forbidden: set[tuple[str, str]] = set()
        """Methods, and words of the paths that are refused with them."""
        self.page_size: int | None = None
        self.events_per_watch: int | None = None
        self.garbled: list[bytes] = []
        self.watches_open = 0
        self._changed = asyncio.Condition()

    def put(self, path: str, obj: Json) -> Json:
        """Creates or changes an object at its full path; wakes the watches."""
        self.version += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        metadata = {"name": path.rsplit("/", 1)[1], **obj.get("metadata", {}), "resourceVersion": str(self.version)}
        stored = {**obj, "metadata": metadata}
        self.objects[path] = stored
        self.history.append((self.version, kind, stored))
        return stored

    def remove(self, path: str) -> Json:
        self.version += 1
        gone = self.objects.pop(path)
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
        self.history.append((self.version, "DELETED", gone))
        return gone

    def compact(self) -> None:
        """Forgets the past: watches and continue tokens from before now are expired."""
        self.oldest_version = self.version
        self.history.clear()

    async def wake(self) -> None:
        """To be awaited after `put`, `remove` or a change of faults."""
        async with self._changed:
            self._changed.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query), dict(request.headers)))
        if self.answers:
            status, body, headers = self.answers.pop(0)
            return web.json_response(body, status=status, headers=headers)
        if any(method == request.method and word in request.path for method, word in self.forbidden):
            return _failure(403, "Forbidden")
        if request.query.get("watch"):
            return await self._watch(request)
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        match request.method:
            case "GET":
                return self._read(request)
            case "POST":
                body = await request.json()
                path = f"{request.path}/{body['metadata']['name']}"
                if path in self.objects:
                    return _failure(409, "AlreadyExists")
                answer = web.json_response(self.put(path, body), status=201)
            case "PUT":
                body = await request.json()
                stored = self.objects.get(request.path)
                if stored is None:
                    return _failure(404, "NotFound")
                wanted = body["metadata"].get("resourceVersion")
                if wanted and wanted != stored["metadata"]["resourceVersion"]:
                    return _failure(409, "Conflict")
                answer = web.json_response(self.put(request.path, body))
            case "PATCH":
                if request.path not in self.objects:
                    return _failure(404, "NotFound")
                merged = {**self.objects[request.path], **await request.json()}
                merged["metadata"] = self.objects[request.path]["metadata"]
                answer = web.json_response(self.put(request.path, merged))
            case _:
                if request.path not in self.objects:
                    return _failure(404, "NotFound")
                answer = web.json_response(self.remove(request.path))
        await self.wake()
        return answer

    def _read(self, request: web.Request) -> web.Response:
        if request.path in self.objects:
            return web.json_response(self.objects[request.path])
        if request.path.rsplit("/", 1)[-1] not in (
            "configmaps",
            "deployments",
            "endpoints",
            "leases",
            "events",
            "ingresses",
            "meshes",
            "missing",
            "pods",
            "virtualnodes",
        ):
            return _failure(404, "NotFound")
        selector = request.query.get("labelSelector", "")
        below = sorted(
            path
            for path, obj in self.objects.items()
            if _collection_holds(request.path, path) and _is_selected(obj, selector)
        )
        start = 0
        if token := request.query.get("continue"):
            version, start = (int(part) for part in token.split("-"))
            if version < self.oldest_version:
                return _failure(410, "Expired")
        size = self.page_size if self.page_size and "limit" in request.query else len(below)
        page = [self.objects[path] for path in below[start : start + size]]
        metadata = {"resourceVersion": str(self.version)}
        if start + size < len(below):
            metadata["continue"] = f"{self.version}-{start + size}"
        return web.json_response({"kind": "List", "metadata": metadata, "items": page})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        seen = int(request.query.get("resourceVersion") or self.version)
        response = web.StreamResponse()
        await response.prepare(request)
        if seen < self.oldest_version:
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await response.write(orjson.dumps({"type": "ERROR", "object": status}) + b"\n")
            return response
        sent = 0
        self.watches_open += 1
        try:
            while self.events_per_watch is None or sent < self.events_per_watch:
                if self.garbled:
                    await response.write(self.garbled.pop(0) + b"\n")
                later = [entry for entry in self.history if entry[0] > seen]
                if not later:
                    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(seen)}}}
                    await response.write(orjson.dumps(bookmark) + b"\n")
                    async with self._changed:
                        await self._changed.wait()
                    if seen < self.oldest_version:
                        break
                    continue
                seen, kind, obj = later[0]
                await response.write(orjson.dumps({"type": kind, "object": obj}) + b"\n")
                sent += 1
        finally:
            self.watches_open -= 1
        return response


@asynccontextmanager
async def serving(api: FakeApi) -> AsyncIterator[str]:
    """The base URL of a server on a free port of the loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _is_selected(obj: Json, selector: str) -> bool:
    """Where the selector is one of equal values; others select everything."""
    labels = obj["metadata"].get("labels") or {}
    pairs = [part.partition("=") for part in selector.split(",") if "=" in part and "!" not in part]
    return all(labels.get(key) == value for key, _, value in pairs)


def _collection_holds(collection: str, path: str) -> bool:
    plural = collection.rsplit("/", 1)[1]
    if "/namespaces/" in collection:
        return path.startswith(collection + "/")
    return f"/{plural}/" in path


def _failure(code: int, reason: str) -> web.Response:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": f"it is {reason}"}
    return web.json_response(status, status=code)
