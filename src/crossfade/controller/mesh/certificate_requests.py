"""Asks an issuer of cert-manager for one signature, by a CertificateRequest in the controller's own namespace."""

import asyncio
import base64
import binascii
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from crossfade.compile.model import Issuer
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError
from crossfade_kube.meta import JsonObject, Resource

CERTIFICATE_REQUEST: Final = Resource(
    "cert-manager.io", "v1", "certificaterequests", "CertificateRequest", namespaced=True
)
LABEL: Final = "crossfade.dev/mesh-identity"
_LABELS: Final = {LABEL: "requested"}
_USAGES: Final = ("digital signature", "server auth", "client auth")
_POLLS_S: Final = (0.1, 5.0)
_PATIENCE_S: Final = 300.0
# Older ones were left behind by a controller that ended while it waited.
_ABANDONED: Final = timedelta(minutes=15)


class RefusedError(Exception):
    """The issuer's word on it, or that it had none."""


class Answer(NamedTuple):
    """PEM texts; `authority` may be empty."""

    certificate: bytes
    authority: bytes


async def ask(client: Client, namespace: str, issuer: Issuer, request: bytes, lifetime: timedelta) -> Answer:
    """`request` is PKCS #10 in PEM. The object is gone afterwards. Raises RefusedError or KubeError."""
    body: JsonObject = {
        "apiVersion": CERTIFICATE_REQUEST.api_version,
        "kind": CERTIFICATE_REQUEST.kind,
        "metadata": {"generateName": "mesh-identity-", "namespace": namespace, "labels": _LABELS},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "issuerRef": {"kind": issuer.kind, "name": issuer.name, "group": issuer.group},
            "duration": f"{int(lifetime.total_seconds())}s",
            "usages": list(_USAGES),
            "isCA": False,
        },
    }
    created = await client.create(CERTIFICATE_REQUEST, body)
    name: str = created["metadata"]["name"]
    try:
        return await _answer(client, namespace, name)
    finally:
        with suppress(KubeError):
            await client.delete(CERTIFICATE_REQUEST, name, namespace=namespace)


async def sweep(client: Client, namespace: str, now: datetime) -> None:
    """Deletes what nobody waits for. Raises KubeError."""
    listed = await client.list(CERTIFICATE_REQUEST, namespace=namespace, label_selector=f"{LABEL}={_LABELS[LABEL]}")
    for item in listed.items:
        metadata = item["metadata"]
        if now - datetime.fromisoformat(metadata["creationTimestamp"]) > _ABANDONED:
            await client.delete(CERTIFICATE_REQUEST, metadata["name"], namespace=namespace, uid=metadata["uid"])


async def _answer(client: Client, namespace: str, name: str) -> Answer:
    backoff = Backoff(*_POLLS_S)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                status: JsonObject = (await client.get(CERTIFICATE_REQUEST, name, namespace=namespace)).get(
                    "status"
                ) or {}
                if (found := answer_in(status)) is not None:
                    return found
                await asyncio.sleep(backoff.next_s())
    except TimeoutError:
        raise RefusedError(f"there was no answer within {_PATIENCE_S:.0f} s") from None


def answer_in(status: JsonObject) -> Answer | None:
    """None: not yet. Raises RefusedError."""
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    for kind in ("Denied", "InvalidRequest"):
        if (conditions.get(kind) or {}).get("status") == "True":
            raise RefusedError(f"{kind}: {conditions[kind].get('message') or conditions[kind].get('reason') or ''}")
    ready = conditions.get("Ready") or {}
    if ready.get("status") == "False" and ready.get("reason") in ("Failed", "Denied"):
        raise RefusedError(f"{ready['reason']}: {ready.get('message') or ''}")
    if ready.get("status") != "True":
        return None
    try:
        certificate, authority = (base64.b64decode(status.get(field) or "") for field in ("certificate", "ca"))
    except (binascii.Error, TypeError, ValueError):
        raise RefusedError("what it gave is no base64") from None
    return Answer(certificate, authority)
