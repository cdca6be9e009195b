"""Pod annotations that shape the sidecar (appmesh.md §4.3)."""

from typing import Final

import orjson
from msgspec import Struct

from crossfade.inject.decision import InjectionDenied
from crossfade.inject.resources import quantity
from crossfade.inject.traffic_values import addresses_from_text, ports_from_text

PREFIX: Final = "appmesh.k8s.aws/"
SIDECAR_KEY: Final = "crossfade.dev/sidecar"
_KINDS_OF_SIDECARS: Final = {"native": True, "classic": False}


class Mount(Struct, frozen=True):
    """`source` is the name of a Secret or of one of the pod's volumes."""

    source: str
    path: str


class PodWishes(Struct, frozen=True):
    """What the pod's author asks for; None and empty mean the installation's default."""

    ports: str | None = None
    ignored_ips: str | None = None
    ignored_ports: str | None = None
    has_ipv6: bool = True
    cpu_request: str | None = None
    memory_request: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    secret_mounts: tuple[Mount, ...] = ()
    volume_mounts: tuple[Mount, ...] = ()
    uses_cni: bool = False
    keeps_gateway_image: bool = False
    wants_native: bool | None = None
    wants_sds: bool = True


def wishes_from_annotations(annotations: dict[str, str]) -> PodWishes:
    """Raises InjectionDenied for what cannot be read."""

    def value(key: str) -> str | None:
        return annotations.get(PREFIX + key)

    def is_set(key: str, word: str) -> bool:
        return (value(key) or "").strip().lower() == word

    return PodWishes(
        ports=ports_from_text(value("ports"), PREFIX + "ports"),
        ignored_ips=addresses_from_text(value("egressIgnoredIPs"), PREFIX + "egressIgnoredIPs"),
        ignored_ports=ports_from_text(value("egressIgnoredPorts"), PREFIX + "egressIgnoredPorts"),
        has_ipv6=not is_set("ipv6", "disabled"),
        cpu_request=_quantity(value("cpuRequest"), "cpuRequest"),
        memory_request=_quantity(value("memoryRequest"), "memoryRequest"),
        cpu_limit=_quantity(value("cpuLimit"), "cpuLimit"),
        memory_limit=_quantity(value("memoryLimit"), "memoryLimit"),
        env=(*_env(value("sidecarEnv")), *_json_env(value("sidecarEnvJson"))),
        secret_mounts=_mounts(value("secretMounts"), "secretMounts", "secretName:mountPath"),
        volume_mounts=_mounts(value("volumeMounts"), "volumeMounts", "volumeName:mountPath"),
        uses_cni=is_set("appmeshCNI", "enabled"),
        keeps_gateway_image=is_set("virtualGatewaySkipImageOverride", "enabled"),
        wants_sds=not is_set("sds", "disabled"),
        wants_native=_kind_of_sidecar(annotations.get(SIDECAR_KEY)),
    )


def _kind_of_sidecar(text: str | None) -> bool | None:
    if text is None:
        return None
    if (kind := _KINDS_OF_SIDECARS.get(text.strip().lower())) is None:
        raise InjectionDenied(f"malformed annotation {SIDECAR_KEY}, expected format: {' or '.join(_KINDS_OF_SIDECARS)}")
    return kind


def _quantity(text: str | None, key: str) -> str | None:
    """The API server would refuse the pod for it, and name no annotation."""
    if text:
        try:
            quantity(text)
        except ValueError as problem:
            raise InjectionDenied(f"malformed annotation {PREFIX}{key}, {text[:60]!r}: {problem}") from None
    return text


def _env(text: str | None) -> tuple[tuple[str, str], ...]:
    return tuple(_pair(part, "=", "sidecarEnv", "EnvVariableKey=EnvVariableValue") for part in _parts(text))


def _json_env(text: str | None) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    try:
        entries = orjson.loads(text)
        return tuple((str(key), str(value)) for entry in entries for key, value in entry.items())
    except (ValueError, AttributeError, TypeError) as exc:
        raise InjectionDenied(
            f'malformed annotation {PREFIX}sidecarEnvJson, expected format: [{{"EnvVariableKey":"EnvVariableValue"}}]'
        ) from exc


def _mounts(text: str | None, key: str, form: str) -> tuple[Mount, ...]:
    return tuple(Mount(*_pair(part, ":", key, form)) for part in _parts(text))


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _pair(part: str, separator: str, key: str, form: str) -> tuple[str, str]:
    left, found, right = part.partition(separator)
    if not found or not left.strip() or not right.strip():
        raise InjectionDenied(f"malformed annotation {PREFIX}{key}, expected format: {form}")
    return left.strip(), right.strip()
