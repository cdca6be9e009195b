"""Moves the kubelet's checks of captured ports to ports that the sidecar opens for them alone.

A captured port may take nothing but TLS, now or after a change of the virtual node; the kubelet speaks plain text.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from crossfade.envoy.probes import ProbedPort
from crossfade_kube.meta import JsonObject

VARIABLE: Final = "CROSSFADE_PROBES"
FIRST_PORT: Final = 15021
_CHECKS: Final = (("readinessProbe",), ("livenessProbe",), ("startupProbe",))
_HOOKS: Final = (("lifecycle", "postStart"), ("lifecycle", "preStop"))
# What the kubelet sends as it stands.
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9/_.~!$&'()*+,;=:@-]*(\?[A-Za-z0-9/_.~!$&'()*+,;=:@?-]*)?")


class MovedProbes(NamedTuple):
    """`patch` is for the pod as it came: it must be applied before containers are added."""

    ports: tuple[ProbedPort, ...]
    patch: list[JsonObject]


class _Check(NamedTuple):
    """`pointer` is where its port is written, as in a JSON Patch. An empty `path` is gRPC's health check."""

    pointer: str
    port: int
    path: str


def moved_probes(spec: dict[str, Any], captured: str) -> MovedProbes:
    """`captured` are ports and ranges `first:last`, separated by commas.

    Left alone are checks of TCP, which a sidecar answers either way, those over HTTPS, and those of another host.
    """
    checks = [check for check in _checks(spec) if _is_captured(check.port, captured)]
    own = _own_ports(spec) | {check.port for check in checks}
    free = (port for port in range(FIRST_PORT, 65536) if port not in own)
    moved = {app_port: next(free) for app_port in sorted({check.port for check in checks})}
    ports = (_probed(port, app_port, checks) for app_port, port in moved.items())
    patch: list[JsonObject] = [{"op": "replace", "path": one.pointer, "value": moved[one.port]} for one in checks]
    return MovedProbes(tuple(ports), patch)


def _probed(port: int, app_port: int, checks: list[_Check]) -> ProbedPort:
    paths = [check.path for check in checks if check.port == app_port]
    return ProbedPort(port, app_port, tuple(sorted({path for path in paths if path})), "" in paths)


def _checks(spec: dict[str, Any]) -> Iterator[_Check]:
    for index, container in enumerate(spec.get("containers") or ()):
        for keys in (*_CHECKS, *_HOOKS):
            part: Any = container
            for key in keys:
                part = (part or {}).get(key)
            pointer = f"/spec/containers/{index}/{'/'.join(keys)}"
            yield from _of_handler(part or {}, container, pointer)


def _of_handler(handler: JsonObject, container: JsonObject, pointer: str) -> Iterator[_Check]:
    http, grpc = handler.get("httpGet"), handler.get("grpc")
    if http and not http.get("host") and (http.get("scheme") or "HTTP") == "HTTP":
        path = "/" + (http.get("path") or "").removeprefix("/")
        port = _number(http.get("port"), container)
        if port is not None and _PLAIN_PATH.fullmatch(path):
            yield _Check(f"{pointer}/httpGet/port", port, path)
    if grpc and isinstance(grpc.get("port"), int):
        yield _Check(f"{pointer}/grpc/port", grpc["port"], "")


def _number(port: Any, container: JsonObject) -> int | None:
    if isinstance(port, int):
        return port
    named = (one for one in container.get("ports") or () if one.get("name") == port)
    found: int | None = next((one.get("containerPort") for one in named), None)
    return found


def _own_ports(spec: dict[str, Any]) -> set[int]:
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return {one.get("containerPort", 0) for container in containers for one in container.get("ports") or ()}


def _is_captured(port: int, captured: str) -> bool:
    for item in filter(None, captured.split(",")):
        first, _, last = item.partition(":")
        if int(first) <= port <= int(last or first):
            return True
    return False
