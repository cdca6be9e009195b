"""The mesh controller's certificates: kept in a Secret, renewed in time, announced in the webhook configurations."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade.certs.ca import KeyPair
from crossfade.certs.issuer import ServerCertificates
from crossfade.certs.key_files import load_into
from crossfade.controller.mesh.webhook_tls import WebhookTls
from crossfade.controller.secret_certificates import announce, load_or_renew
from crossfade.install.mesh_names import (
    CERTIFICATE_SECRET,
    MUTATING_CONFIGURATION,
    VALIDATING_CONFIGURATION,
    server_names,
)
from crossfade.xds.auth import ServerKeyPair
from crossfade_kube.client import Client
from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import MUTATING_WEBHOOK_CONFIGURATION, VALIDATING_WEBHOOK_CONFIGURATION

_AUTHORITY_NAME: Final = "appmesh-controller-ca"
CONFIGURATIONS: Final = (
    (MUTATING_WEBHOOK_CONFIGURATION, MUTATING_CONFIGURATION),
    (VALIDATING_WEBHOOK_CONFIGURATION, VALIDATING_CONFIGURATION),
)


class Certificates:
    """`refresh` first, and again from time to time; new connections get what the last one found."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        tls: WebhookTls,
        domain: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.webhook_tls: Final = tls.server_context()
        self._client = client
        self.secret: Final = NamespacedName(namespace, CERTIFICATE_SECRET)
        self._names = tuple(server_names(namespace, domain))
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
    def served(self) -> KeyPair | None:
        """What webhooks and ADS show, as soon as there is one."""
        return self._current.server if self._current is not None else None

    @property
    def _known(self) -> ServerCertificates:
        if self._current is None:
            raise RuntimeError("the certificates were not loaded yet")
        return self._current

    async def refresh(self) -> None:
        """Takes what the Secret holds; makes and stores anew what is missing, wrong or old."""
        found = await load_or_renew(
            self._client,
            self.secret,
            self._names,
            common_name=_AUTHORITY_NAME,
            now=self._now(),
            known=self._current,
        )
        if found != self._current:
            self._current = found
            load_into(self.webhook_tls, found.server)

    async def announce(self) -> None:
        """Writes the CA bundle into the webhook configurations; raises NotFound while they are not installed."""
        for resource, name in CONFIGURATIONS:
            await announce(self._client, resource, name, self._known.authority)
