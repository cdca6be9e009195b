"""What leaders are elected on: a Lease, or where a role allows none, a ConfigMap as before there were Leases."""

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from msgspec import ValidationError, convert, to_builtins

from crossfade_kube.client import Client
from crossfade_kube.core.lease import Lease, LeaseSpec
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode
from crossfade_kube.resources import CONFIG_MAP

ANNOTATION: Final = "control-plane.alpha.kubernetes.io/leader"
# The record in the annotation calls two things otherwise than a Lease.
_RECORD_NAMES: Final = {"leaderTransitions": "leaseTransitions"}


class Lock(Protocol):
    """Where a claim is kept; a stored object's resourceVersion makes each write a compare-and-swap."""

    @property
    def name(self) -> str: ...

    async def get(self) -> JsonObject:
        """The stored object; raises KubeError."""

    def spec_of(self, stored: JsonObject) -> LeaseSpec:
        """Raises DecodeError or ValueError for what is no claim."""

    async def write(self, stored: JsonObject | None, spec: LeaseSpec) -> None:
        """Raises KubeError, Conflict where somebody was faster."""


class LeaseLock:
    def __init__(self, client: Client, *, namespace: str, name: str) -> None:
        self.name = name
        self._client = client
        self._namespace = namespace

    async def get(self) -> JsonObject:
        return await self._client.get(Lease.RESOURCE, self.name, namespace=self._namespace)

    def spec_of(self, stored: JsonObject) -> LeaseSpec:
        return decode(stored, Lease).spec

    async def write(self, stored: JsonObject | None, spec: LeaseSpec) -> None:
        obj = {
            "apiVersion": Lease.RESOURCE.api_version,
            "kind": Lease.RESOURCE.kind,
            "metadata": stored["metadata"] if stored else {"name": self.name, "namespace": self._namespace},
            "spec": _fields(spec),
        }
        await (self._client.replace(Lease.RESOURCE, obj) if stored else self._client.create(Lease.RESOURCE, obj))


class ConfigMapLock:
    """The record is an annotation, so other controllers of the same name respect it."""

    def __init__(self, client: Client, *, namespace: str, name: str) -> None:
        self.name = name
        self._client = client
        self._namespace = namespace

    async def get(self) -> JsonObject:
        return await self._client.get(CONFIG_MAP, self.name, namespace=self._namespace)

    def spec_of(self, stored: JsonObject) -> LeaseSpec:
        text = (stored["metadata"].get("annotations") or {}).get(ANNOTATION)
        record: Any = json.loads(text) if text else {}
        if not isinstance(record, dict):
            raise ValueError(f"the annotation {ANNOTATION} holds no record")
        try:
            return convert({_RECORD_NAMES.get(name, name): value for name, value in record.items()}, LeaseSpec)
        except ValidationError as error:
            raise ValueError(f"the annotation {ANNOTATION}: {error}") from error

    async def write(self, stored: JsonObject | None, spec: LeaseSpec) -> None:
        written = {name: _older(name, value) for name, value in _fields(spec).items()}
        record = {_record_name(name): value for name, value in written.items()}
        record.setdefault("holderIdentity", "")
        metadata: JsonObject = dict(stored["metadata"]) if stored else {"name": self.name, "namespace": self._namespace}
        annotations: dict[str, str] = metadata.get("annotations") or {}
        metadata["annotations"] = {**annotations, ANNOTATION: json.dumps(record)}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", **(stored or {}), "metadata": metadata}
        await (self._client.replace(CONFIG_MAP, obj) if stored else self._client.create(CONFIG_MAP, obj))


def _fields(spec: LeaseSpec) -> Mapping[str, Any]:
    return {key: value for key, value in to_builtins(spec).items() if value is not None}


def _record_name(name: str) -> str:
    return next((record for record, own in _RECORD_NAMES.items() if own == name), name)


def _older(name: str, value: Any) -> Any:
    """Records have whole seconds."""
    return f"{value.partition('.')[0].removesuffix('Z')}Z" if name in ("acquireTime", "renewTime") else value
