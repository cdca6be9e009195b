"""The mesh controller's certificates: kept in a Secret, renewed in time, announced in the webhook configurations."""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from crossfade.certs.ca import KeyPair
from crossfade.certs.issuer import ServerCertificates, renewed
from crossfade.install.mesh_names import (
    CERTIFICATE_SECRET,
    MUTATING_CONFIGURATION,
    VALIDATING_CONFIGURATION,
    server_names,
)
from crossfade.xds.auth import ServerKeyPair
from crossfade_kube.client import Client
from crossfade_kube.errors import Conflict, NotFound
from crossfade_kube.meta import JsonObject, Resource
from crossfade_kube.resources import (
    MUTATING_WEBHOOK_CONFIGURATION,
    SECRET,
    VALIDATING_WEBHOOK_CONFIGURATION,
)

_AUTHORITY_NAME: Final = "appmesh-controller-ca"
_AUTHORITY, _AUTHORITY_KEY, _SERVER, _SERVER_KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
_CONFIGURATIONS: Final = (
    (MUTATING_WEBHOOK_CONFIGURATION, MUTATING_CONFIGURATION),
    (VALIDATING_WEBHOOK_CONFIGURATION, VALIDATING_CONFIGURATION),
)


class Certificates:
    """`refresh` first, and again from time to time; new connections get what the last one found."""

    def __init__(
        self, client: Client, *, namespace: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.webhook_tls: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.webhook_tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._client = client
        self._namespace = namespace
        self._now = now
        self._current: ServerCertificates | None = None

    @property
    def authority_pem(self) -> str:
        """What clients trust."""
        return self._known.authority.certificate_pem.decode()

    def server_pair(self) -> ServerKeyPair:
        server = self._known.server
        return ServerKeyPair(server.key_pem, server.certificate_pem)

    @property
    def _known(self) -> ServerCertificates:
        if self._current is None:
            raise RuntimeError("the certificates were not loaded yet")
        return self._current

    async def refresh(self) -> None:
        """Takes what the Secret holds; makes and stores anew what is missing, wrong or old."""
        found = await self._load_or_renew()
        if found != self._current:
            self._current = found
            _load_into(self.webhook_tls, found.server)

    async def _load_or_renew(self) -> ServerCertificates:
        while True:
            stored = await self._stored_secret()
            current = _certificates_from_secret(stored) if stored else None
            wanted = renewed(current, server_names(self._namespace), common_name=_AUTHORITY_NAME, now=self._now())
            if wanted == current:
                return wanted
            try:
                await self._store(wanted, stored)
            except Conflict:
                # Another controller was quicker: its certificates count.
                continue
            return wanted

    async def _stored_secret(self) -> JsonObject | None:
        try:
            return await self._client.get(SECRET, CERTIFICATE_SECRET, namespace=self._namespace)
        except NotFound:
            return None

    async def _store(self, certificates: ServerCertificates, stored: JsonObject | None) -> None:
        data = {
            _AUTHORITY: certificates.authority.certificate_pem,
            _AUTHORITY_KEY: certificates.authority.key_pem,
            _SERVER: certificates.server.certificate_pem,
            _SERVER_KEY: certificates.server.key_pem,
        }
        secret: JsonObject = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": CERTIFICATE_SECRET, "namespace": self._namespace},
            "type": "kubernetes.io/tls",
            **(stored or {}),
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        await (self._client.replace(SECRET, secret) if stored else self._client.create(SECRET, secret))

    async def announce(self) -> None:
        """Writes the CA bundle into the webhook configurations; raises NotFound while they are not installed."""
        bundle = base64.b64encode(self._known.authority.certificate_pem).decode()
        for resource, name in _CONFIGURATIONS:
            await self._announce_in(resource, name, bundle)

    async def _announce_in(self, resource: Resource, name: str, bundle: str) -> None:
        while True:
            configuration = await self._client.get(resource, name)
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
                await self._client.replace(resource, configuration)
            except Conflict:
                continue
            return


def _certificates_from_secret(secret: JsonObject) -> ServerCertificates | None:
    try:
        authority, authority_key, server, server_key = (
            base64.b64decode(secret["data"][key]) for key in (_AUTHORITY, _AUTHORITY_KEY, _SERVER, _SERVER_KEY)
        )
    except (KeyError, TypeError, binascii.Error):
        return None
    return ServerCertificates(KeyPair(authority, authority_key), KeyPair(server, server_key))


def _load_into(context: ssl.SSLContext, pair: KeyPair) -> None:
    """The library reads files only."""
    descriptor, path = tempfile.mkstemp(prefix="crossfade-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.certificate_pem + pair.key_pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
