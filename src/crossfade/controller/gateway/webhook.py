"""The gateway's admission webhook: its keys in a Secret that all replicas share, its authority in the registration."""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade.admission.kong import kong_handlers
from crossfade.admission.server import admission_server
from crossfade.certs.ca import KeyPair
from crossfade.certs.issuer import ServerCertificates, renewed
from crossfade.controller.gateway.settings import WebhookSettings
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.core.secret import Secret
from crossfade_kube.errors import Conflict, NotFound
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode
from crossfade_kube.resources import VALIDATING_WEBHOOK_CONFIGURATION

_CHECK_S: Final = 60.0
_NOT_INSTALLED_CHECK_S: Final = 0.5
_FIELDS: Final = ("ca.crt", "ca.key", "tls.crt", "tls.key")


async def serve_webhook(client: Client, settings: WebhookSettings, snapshot: Callable[[], Snapshot]) -> None:
    """Until cancelled. Looks every minute whether certificates or registration must be renewed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificates = await _shared_certificates(client, settings)
    _load(context, certificates.server)
    async with admission_server(kong_handlers(snapshot), host="0.0.0.0", port=settings.port, tls=context):
        while True:
            is_registered = await _register(client, settings, certificates.authority)
            await asyncio.sleep(_CHECK_S if is_registered else _NOT_INSTALLED_CHECK_S)
            certificates = await _shared_certificates(client, settings)
            _load(context, certificates.server)


async def _shared_certificates(client: Client, settings: WebhookSettings) -> ServerCertificates:
    """Those of the Secret; new ones are written there first, and who comes second takes the first one's."""
    while True:
        stored = await _stored_secret(client, settings)
        current = _from_secret(stored) if stored else None
        namespace, name = settings.service
        names = (f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local")
        wanted = renewed(current, names, common_name="Crossfade gateway webhook", now=datetime.now(UTC))
        if wanted == current:
            return wanted
        try:
            await _store(client, settings, stored, wanted)
        except Conflict:
            continue
        return wanted


async def _stored_secret(client: Client, settings: WebhookSettings) -> JsonObject | None:
    try:
        return await client.get(Secret.RESOURCE, settings.service.name, namespace=settings.service.namespace)
    except NotFound:
        return None


async def _store(
    client: Client, settings: WebhookSettings, stored: JsonObject | None, wanted: ServerCertificates
) -> None:
    values = (
        wanted.authority.certificate_pem,
        wanted.authority.key_pem,
        wanted.server.certificate_pem,
        wanted.server.key_pem,
    )
    namespace, name = settings.service
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": stored["metadata"] if stored else {"name": name, "namespace": namespace},
        "data": {field: base64.b64encode(value).decode() for field, value in zip(_FIELDS, values, strict=True)},
    }
    await (client.replace(Secret.RESOURCE, secret) if stored else client.create(Secret.RESOURCE, secret))


def _from_secret(stored: JsonObject) -> ServerCertificates | None:
    data = decode(stored, Secret).data
    if any(field not in data for field in _FIELDS):
        return None
    authority, authority_key, server, server_key = (data[field] for field in _FIELDS)
    return ServerCertificates(KeyPair(authority, authority_key), KeyPair(server, server_key))


async def _register(client: Client, settings: WebhookSettings, authority: KeyPair) -> bool:
    """Tells the API server which authority to trust; False while the webhook is not installed."""
    bundle = base64.b64encode(authority.certificate_pem).decode()
    try:
        found = await client.get(VALIDATING_WEBHOOK_CONFIGURATION, settings.configuration)
        webhooks = found.get("webhooks") or []
        if any(webhook["clientConfig"].get("caBundle") != bundle for webhook in webhooks):
            for webhook in webhooks:
                webhook["clientConfig"]["caBundle"] = bundle
            await client.replace(VALIDATING_WEBHOOK_CONFIGURATION, found)
    except (NotFound, Conflict):
        return False
    return True


def _load(context: ssl.SSLContext, pair: KeyPair) -> None:
    # The ssl module loads key pairs from files only.
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair.certificate_pem + b"\n" + pair.key_pem)
        file.flush()
        context.load_cert_chain(file.name)
