"""Server certificates that replicas share through a Secret, and their authority in the registration of webhooks."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from crossfade.certs.ca import KeyPair
from crossfade.certs.issuer import ServerCertificates, renewed
from crossfade_kube.client import Client
from crossfade_kube.errors import Conflict, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_kube.resources import SECRET

_FIELDS: Final = ("ca.crt", "ca.key", "tls.crt", "tls.key")


async def load_or_renew(
    client: Client,
    secret: NamespacedName,
    dns_names: Iterable[str],
    *,
    common_name: str,
    now: datetime,
    known: ServerCertificates | None = None,
) -> ServerCertificates:
    """What the Secret holds, if it serves; else new ones, stored before they are returned.

    `known` is what the Secret held before: a Secret that was lost meanwhile gets another authority, for which the
    former one vouches to those that know no other.
    """
    names = tuple(dns_names)
    while True:
        stored = await _stored(client, secret)
        current = _from_secret(stored) if stored else None
        wanted = renewed(current, names, common_name=common_name, now=now, former=known)
        if wanted == current:
            return wanted
        try:
            await _store(client, secret, stored, wanted)
        except Conflict:
            # Another replica was quicker: its certificates count.
            continue
        return wanted


async def announce(client: Client, resource: Resource, name: str, authority: KeyPair) -> None:
    """Tells the API server which authority to trust; raises NotFound while the configuration is not installed."""
    bundle = base64.b64encode(authority.certificate_pem).decode()
    while True:
        configuration = await client.get(resource, name)
        outdated = [
            webhook
            for webhook in configuration.get("webhooks") or []
            if webhook["clientConfig"].get("caBundle") != bundle
        ]
        if not outdated:
            return
        for webhook in outdated:
            webhook["clientConfig"]["caBundle"] = bundle
        try:
            await client.replace(resource, configuration)
        except Conflict:
            continue
        return


async def _stored(client: Client, secret: NamespacedName) -> JsonObject | None:
    try:
        return await client.get(SECRET, secret.name, namespace=secret.namespace)
    except NotFound:
        return None


async def _store(client: Client, secret: NamespacedName, stored: JsonObject | None, wanted: ServerCertificates) -> None:
    authority, server = wanted.authority, wanted.server
    values = (authority.certificate_pem, authority.key_pem, server.certificate_pem, server.key_pem)
    content: JsonObject = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret.name, "namespace": secret.namespace},
        "type": "kubernetes.io/tls",
        **(stored or {}),
        "data": {field: base64.b64encode(value).decode() for field, value in zip(_FIELDS, values, strict=True)},
    }
    await (client.replace(SECRET, content) if stored else client.create(SECRET, content))


def _from_secret(secret: JsonObject) -> ServerCertificates | None:
    try:
        authority, authority_key, server, server_key = (base64.b64decode(secret["data"][field]) for field in _FIELDS)
    except (KeyError, TypeError, binascii.Error):
        return None
    return ServerCertificates(KeyPair(authority, authority_key), KeyPair(server, server_key))
