"""The Secret in which all replicas find the authority of the meshes' identities."""

import base64
import binascii
from collections.abc import Callable

from cryptography import x509

from crossfade.certs.ca import KeyPair
from crossfade.certs.identities import IdentityAuthority
from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, Conflict, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import SECRET

_CERTIFICATE, _KEY, _FORMER, _BRIDGE = _FIELDS = ("ca.crt", "ca.key", "former.crt", "bridge.crt")
Decide = Callable[[IdentityAuthority | None], IdentityAuthority]
"""What is to be stored, by what is."""


async def keep(client: Client, secret: NamespacedName, decide: Decide) -> IdentityAuthority:
    """What the Secret holds in the end, whoever wrote it. Raises KubeError."""
    while True:
        found = await _stored(client, secret)
        current = _authority(found) if found is not None else None
        wanted = decide(current)
        if wanted == current:
            return wanted
        try:
            if found is None:
                await client.create(SECRET, _content(secret, wanted, {}))
            else:
                await client.replace(SECRET, _content(secret, wanted, found))
        except (Conflict, AlreadyExists, NotFound):
            # Another replica was quicker, or the Secret came or went meanwhile.
            continue
        return wanted


async def _stored(client: Client, secret: NamespacedName) -> JsonObject | None:
    try:
        return await client.get(SECRET, secret.name, namespace=secret.namespace)
    except NotFound:
        return None


def _content(secret: NamespacedName, authority: IdentityAuthority, found: JsonObject) -> JsonObject:
    pair = authority.current
    values = (pair.certificate_pem, pair.key_pem, authority.former_pem, authority.bridge_pem)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret.name, "namespace": secret.namespace},
        "type": "Opaque",
        **found,
        "data": {name: base64.b64encode(value).decode() for name, value in zip(_FIELDS, values, strict=True)},
    }


def _authority(secret: JsonObject) -> IdentityAuthority | None:
    data: dict[str, str] = secret.get("data") or {}
    try:
        certificate, key = (base64.b64decode(data[name]) for name in (_CERTIFICATE, _KEY))
        former, bridge = (_certificates(base64.b64decode(data.get(name) or "")) for name in (_FORMER, _BRIDGE))
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    return IdentityAuthority(KeyPair(certificate, key), former, bridge)


def _certificates(pem: bytes) -> bytes:
    """Raises ValueError."""
    if pem:
        x509.load_pem_x509_certificates(pem)
    return pem
