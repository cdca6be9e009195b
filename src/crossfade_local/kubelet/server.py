"""What the API server asks of the kubelet over its unix socket: logs, exec, attach, port-forward and usage of pods.

Requests arrive as the API server got them, already authenticated and authorised, with the API's own paths.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aiohttp import web

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_local.kubelet import exec_session, port_forward, raw_forward
from crossfade_local.kubelet.agent import Agent
from crossfade_local.kubelet.container import Container
from crossfade_local.kubelet.logs import LogQuery, read_log
from crossfade_local.kubelet.node_pages import NodePages
from crossfade_local.kubelet.pod import PodWorker
from crossfade_local.kubelet.status import Waiting
from crossfade_local.kubelet.usage import Meter

log = logging.getLogger(__name__)

_POD_PATH: Final = "/api/v1/namespaces/{namespace}/pods/{name}"


async def serve_kubelet(agent: Agent, meter: Meter, socket_path: Path) -> None:
    """Until cancelled."""
    app = web.Application()
    handlers = _Handlers(agent, meter)
    app.router.add_get(f"{_POD_PATH}/log", handlers.log)
    app.router.add_get("/usage", handlers.usage)
    NodePages(agent, meter).add_to(app.router, below="/node")
    for name, handler in (("exec", handlers.execute), ("attach", handlers.attach), ("portforward", handlers.forward)):
        app.router.add_route("*", f"{_POD_PATH}/{name}", handler)
    socket_path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, on local disk
    # Followers of logs and shells end with their connection, not with a timeout.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket_path)).start()
        socket_path.chmod(0o600)  # noqa: ASYNC240
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


class _Handlers:
    def __init__(self, agent: Agent, meter: Meter) -> None:
        self._agent = agent
        self._meter = meter

    async def log(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._find(request)
        previous = request.query.get("previous") == "true"
        query = _log_query(request)
        path = container.log_path(previous=previous)
        if previous and not path.exists():
            raise _bad_request(f'previous terminated container "{container.name}" in pod "{worker.key.name}" not found')
        if isinstance(container.state, Waiting) and not path.exists():
            reason = container.state.reason
            detail = "is waiting to start: " + (
                reason if reason != "ErrImagePull" else "trying and failing to pull image"
            )
            raise _bad_request(f'container "{container.name}" in pod "{worker.key.name}" {detail}')
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            async for chunk in read_log(path, query, None if previous else container.log):
                await response.write(chunk)
        except ConnectionError:
            return response
        await response.write_eof()
        return response

    async def usage(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(await self._meter.report())

    async def execute(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._find(request)
        if not request.query.getall("command", []):
            raise _bad_request("you must specify at least 1 command for the container")
        log.debug("exec", extra={"fields": {"pod": str(worker.key)}})
        return await exec_session.run_command(request, container)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        _, container = self._find(request)
        return await exec_session.attach(request, container)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._find_pod(request)
        if worker.sandbox is None:
            raise _bad_request(f"unable to forward port because pod is not running: {worker.key.name}")
        if raw_forward.is_asked_for(request):
            try:
                return await raw_forward.serve(request, worker.sandbox, pod=_named(worker))
            except raw_forward.BadPortsError as error:
                raise _bad_request(str(error)) from error
        return await port_forward.serve(request, worker.sandbox)

    def _find_pod(self, request: web.Request) -> PodWorker:
        key = NamespacedName(request.match_info["namespace"], request.match_info["name"])
        worker = self._agent.workers.get(key)
        if worker is None:
            raise _failure(404, "NotFound", f'pods "{key.name}" not found')
        return worker

    def _find(self, request: web.Request) -> tuple[PodWorker, Container]:
        worker = self._find_pod(request)
        spec = worker.pod["spec"]
        annotations = worker.pod["metadata"].get("annotations") or {}
        default = annotations.get("kubectl.kubernetes.io/default-container") or spec["containers"][0]["name"]
        wanted = request.query.get("container") or default
        container = worker.containers.find(wanted) if worker.containers else None
        if container is None:
            names = [one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
            if wanted in names:
                raise _bad_request(
                    f'container "{wanted}" in pod "{worker.key.name}" is waiting to start: ContainerCreating'
                )
            raise _bad_request(f"container {wanted} is not valid for pod {worker.key.name}")
        return worker, container


def _named(worker: PodWorker) -> str:
    return f"{worker.key.name}_{worker.key.namespace}, uid {worker.pod['metadata']['uid']}"


def _log_query(request: web.Request) -> LogQuery:
    query = request.query
    since = None
    if seconds := query.get("sinceSeconds"):
        since = datetime.now(UTC) - timedelta(seconds=int(seconds))
    elif moment := query.get("sinceTime"):
        since = datetime.fromisoformat(moment)
    return LogQuery(
        follow=query.get("follow") == "true",
        tail_lines=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit_bytes=int(query["limitBytes"]) if "limitBytes" in query else None,
    )


def _bad_request(message: str) -> web.HTTPException:
    return _failure(400, "BadRequest", message)


def _failure(code: int, reason: str, message: str) -> web.HTTPException:
    status: JsonObject = {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code,
    }  # fmt: skip
    kind = web.HTTPNotFound if code == 404 else web.HTTPBadRequest
    return kind(text=web.json_response(status).text, content_type="application/json")
