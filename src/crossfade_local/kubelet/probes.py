"""Startup, liveness and readiness probes, sent from the node to the pod's address.

HTTP probes speak HTTP/1.1: Envoy answers 426 to HTTP/1.0.
"""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.version import KUBERNETES_VERSION

# Until a container first answers it is asked more often than its period says, so that start-up is not rounded up to it.
_EAGER_S: Final = 0.1
_MAX_HEAD_BYTES: Final = 65_536
_MAX_SERVICE_BYTES: Final = 65_536
_SERVING: Final = 1
_AGENT: Final = f"kube-probe/{'.'.join(KUBERNETES_VERSION.removeprefix('v').split('.')[:2])}"
_DEADLINE: Final = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"


class ProbeResult(NamedTuple):
    ok: bool
    message: str = ""


class Timing(NamedTuple):
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, probe: JsonObject) -> "Timing":
        """With Kubernetes' defaults."""
        return cls(
            initial_delay_s=probe.get("initialDelaySeconds") or 0,
            period_s=probe.get("periodSeconds") or 10,
            timeout_s=probe.get("timeoutSeconds") or 1,
            success_threshold=probe.get("successThreshold") or 1,
            failure_threshold=probe.get("failureThreshold") or 3,
        )

    def pause_s(self, took_s: float) -> float:
        """After an attempt: a period goes from its beginning to that of the next, also where nobody answers."""
        return max(self.period_s - took_s, 0.0)


RunCommand = Callable[[list[str]], Awaitable[tuple[int, bytes]]]


class Target(NamedTuple):
    """What is probed: the pod's address, the container's named ports, and how to run a command in it."""

    address: str
    ports: dict[str, int]
    run_command: RunCommand

    def port(self, port: int | str) -> int:
        return port if isinstance(port, int) else int(port) if port.isdigit() else self.ports.get(port, 0)


async def watch_probe(
    probe: JsonObject,
    target: Target,
    *,
    report: Callable[[bool], None],
    attempted: Callable[[bool], None],
    failed: Callable[[str], None],
) -> None:
    """Until cancelled: reports each time a threshold is reached, whether an attempt succeeded, and every single failure
    with its message."""
    timing = Timing.of(probe)
    await asyncio.sleep(timing.initial_delay_s)
    if await _settle(probe, target, timing) and timing.success_threshold == 1:
        attempted(True)
        report(True)
        await asyncio.sleep(timing.period_s)
    successes = failures = 0
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        result = await check(probe, target, timeout_s=timing.timeout_s)
        attempted(result.ok)
        if result.ok:
            successes, failures = successes + 1, 0
        else:
            successes, failures = 0, failures + 1
            failed(result.message)
        if successes >= timing.success_threshold:
            report(True)
        elif failures >= timing.failure_threshold:
            report(False)
        await asyncio.sleep(timing.pause_s(loop.time() - began))


async def _settle(probe: JsonObject, target: Target, timing: Timing) -> bool:
    """Asks eagerly for the first period; nothing that fails in it counts."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timing.period_s
    while loop.time() < end:
        if (await check(probe, target, timeout_s=timing.timeout_s)).ok:
            return True
        await asyncio.sleep(_EAGER_S if "exec" not in probe else 1.0)
    return False


async def check(probe: JsonObject, target: Target, *, timeout_s: float) -> ProbeResult:
    """One attempt; whatever goes wrong is a result, also what the application answers against all rules."""
    for kind, send in _KINDS.items():
        if kind in probe:
            try:
                async with asyncio.timeout(timeout_s):
                    return await send(probe[kind], target)
            except TimeoutError:
                return ProbeResult(ok=False, message=_failure(kind, probe[kind], target, _DEADLINE))
            except OSError as error:
                return ProbeResult(ok=False, message=_failure(kind, probe[kind], target, _refusal(error)))
            except Exception as error:
                return ProbeResult(ok=False, message=str(error) or type(error).__name__)
    return ProbeResult(ok=False, message="the probe names no action")


def _failure(kind: str, action: JsonObject, target: Target, problem: str) -> str:
    """In the words of the kubelet, which people look up."""
    if kind == "exec":
        return problem
    host, port = _host(action, target), target.port(action.get("port") or 0)
    placed = problem if problem == _DEADLINE else f"dial tcp {host}:{port}: {problem}"
    if kind != "httpGet":
        return f"dial tcp {host}:{port}: i/o timeout" if problem == _DEADLINE else placed
    return f'Get "{(action.get("scheme") or "HTTP").lower()}://{host}:{port}{_path(action)}": {placed}'


def _refusal(error: OSError) -> str:
    if error.errno is None or error.errno <= 0:
        return str(error) or type(error).__name__
    return f"connect: {os.strerror(error.errno).lower()}"


def _host(action: JsonObject, target: Target) -> str:
    host: str = action.get("host") or target.address
    return host


def _path(action: JsonObject) -> str:
    path = action.get("path") or "/"
    return path if path.startswith("/") else f"/{path}"


async def _http(action: JsonObject, target: Target) -> ProbeResult:
    host, port, path = _host(action, target), target.port(action["port"]), _path(action)
    headers = {"Host": f"{host}:{port}", "User-Agent": _AGENT, "Accept": "*/*", "Connection": "close"}
    headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
    context = _unverified() if action.get("scheme") == "HTTPS" else None
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_MAX_HEAD_BYTES)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        line = (await reader.readline()).decode("latin-1")
    except ValueError:
        return ProbeResult(ok=False, message=f"malformed HTTP response: the first line exceeds {_MAX_HEAD_BYTES} bytes")
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    words = line.split(None, 2)
    if len(words) < 2 or not words[1].isdecimal():
        return ProbeResult(ok=False, message=f"malformed HTTP response {line[:80]!r}")
    status = int(words[1])
    return ProbeResult(ok=200 <= status < 400, message=f"HTTP probe failed with statuscode: {status}")


async def _tcp(action: JsonObject, target: Target) -> ProbeResult:
    _, writer = await asyncio.open_connection(_host(action, target), target.port(action["port"]))
    writer.close()
    return ProbeResult(ok=True)


async def _exec(action: JsonObject, target: Target) -> ProbeResult:
    code, output = await target.run_command(list(action.get("command") or ()))
    return ProbeResult(ok=code == 0, message=output[:1024].decode(errors="replace").strip() or f"exit code {code}")


async def _grpc(action: JsonObject, target: Target) -> ProbeResult:
    import grpc
    from google.protobuf.wrappers_pb2 import Int32Value, StringValue

    service = action.get("service") or ""
    if len(service.encode()) > _MAX_SERVICE_BYTES:
        return ProbeResult(ok=False, message=f"the service's name exceeds {_MAX_SERVICE_BYTES} bytes")
    options = (("grpc.max_receive_message_length", _MAX_HEAD_BYTES),)
    async with grpc.aio.insecure_channel(f"{target.address}:{target.port(action['port'])}", options) as channel:
        # HealthCheckRequest is one string and HealthCheckResponse one enum, each in field 1: the wrappers' form.
        call: Any = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        )
        try:
            answer = await call(StringValue(value=service))
        except grpc.aio.AioRpcError as error:
            return ProbeResult(ok=False, message=f"gRPC health check: {error.code().name}")
    return ProbeResult(ok=answer.value == _SERVING, message="service unhealthy")


def _unverified() -> ssl.SSLContext:
    """Kubernetes does not verify certificates of probes either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_KINDS: Final[dict[str, Callable[[JsonObject, Target], Awaitable[ProbeResult]]]] = {
    "httpGet": _http,
    "tcpSocket": _tcp,
    "exec": _exec,
    "grpc": _grpc,
}
