"""The ConfigMap in which all replicas find by whom each issuer's certificates are believed."""

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crossfade.compile.model import Issuer
from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, Conflict, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import CONFIG_MAP

# An issuer has one or two at a time; more than these are the mistake of somebody.
MOST: Final = 16


def key_of(issuer: Issuer) -> str:
    return f"{issuer.kind}.{issuer.group}.{issuer.name}"[-253:]


async def known(client: Client, where: NamespacedName) -> dict[str, str]:
    """PEM by `key_of` issuers. Raises KubeError."""
    stored = await _stored(client, where)
    return dict((stored or {}).get("data") or {})


async def learn(
    client: Client, where: NamespacedName, issuer: Issuer, authorities_pem: str, now: datetime
) -> dict[str, str]:
    """With these in addition to the issuer's others, as far as they last. Raises KubeError."""
    while True:
        stored = await _stored(client, where)
        data: dict[str, str] = dict((stored or {}).get("data") or {})
        key = key_of(issuer)
        wanted = {**data, key: joined(data.get(key, ""), authorities_pem, now)}
        if wanted == data:
            return data
        metadata = {"name": where.name, "namespace": where.namespace}
        content: JsonObject = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            **(stored or {}),
            "data": wanted,
        }
        try:
            await (client.replace(CONFIG_MAP, content) if stored else client.create(CONFIG_MAP, content))
        except (Conflict, AlreadyExists, NotFound):
            continue
        return wanted


def joined(before: str, added: str, now: datetime) -> str:
    """Each once, the latest last, without what has ended or cannot be read."""
    found = {one: None for one in (*_certificates(before), *_certificates(added)) if now < one.not_valid_after_utc}
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in list(found)[-MOST:])


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode()) if pem else []
    except ValueError:
        return []


async def _stored(client: Client, where: NamespacedName) -> JsonObject | None:
    try:
        return await client.get(CONFIG_MAP, where.name, namespace=where.namespace)
    except NotFound:
        return None
