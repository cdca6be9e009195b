"""The certificates of a chart that makes them itself: mounted, and the registrations of webhooks are the chart's too.

App Mesh's chart has no Service for ADS, since its sidecars asked AWS. They reach it through that of the webhooks, whose
name the certificate tells.

When the authority is another one, webhooks show the new certificate at once, since the API server is told with it.
Sidecars hear of it by the ConfigMaps of their namespaces, later: meanwhile ADS shows the former, and both are trusted.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from crossfade.certs.ca import KeyPair
from crossfade.certs.key_files import load_into
from crossfade.controller.mesh.webhook_tls import WebhookTls
from crossfade.xds.auth import ServerKeyPair
from crossfade_kube.errors import ConfigError
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName

FOLDER: Final = Path("/tmp/k8s-webhook-server/serving-certs")  # noqa: S108 - where App Mesh's chart mounts them
SERVICE_PORT: Final = 443
# Until a kubelet has carried a changed ConfigMap into the last pod: two minutes, and some more.
CARRIED_S: Final = 150.0
_SERVICE: Final = ".svc"

log = EventLog("crossfade.mesh")


class _Mounted(NamedTuple):
    server: KeyPair
    authority_pem: str
    service: str
    ends: datetime


class MountedCertificates:
    """As `Certificates`, which it takes the place of."""

    def __init__(
        self,
        folder: Path,
        *,
        tls: WebhookTls,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises ConfigError where what is mounted cannot serve."""
        self.webhook_tls: Final = tls.server_context()
        # Its Secret is the chart's business.
        self.secret: Final = NamespacedName("", folder.name)
        self._folder = folder
        self._clock = clock
        self._now = now
        self._failed = ""
        self._former: _Mounted | None = None
        self._former_until = 0.0
        try:
            self._known = self._load()
        except (OSError, ValueError) as error:
            raise ConfigError(f"the certificate that is mounted at {folder} cannot be used: {error}") from error

    @property
    def authority_pem(self) -> str:
        """What clients trust; of two authorities the newer is the first."""
        former = self._still_shown()
        return self._known.authority_pem + (former.authority_pem if former else "")

    @property
    def ads_address(self) -> str:
        """`host:port` as sidecars know it: the webhooks' Service."""
        return f"{self._known.service}:{SERVICE_PORT}"

    @property
    def served(self) -> KeyPair | None:
        """What webhooks show, and ADS soon."""
        return self._known.server

    def server_pair(self) -> ServerKeyPair:
        """What ADS shows."""
        server = (self._still_shown() or self._known).server
        return ServerKeyPair(server.key_pem, server.certificate_pem)

    async def refresh(self) -> None:
        """Takes what is mounted now, unless that cannot serve."""
        try:
            found = self._load()
        except (OSError, ValueError) as error:
            if self._failed != str(error):
                self._failed = str(error)
                effect = "the certificate from before is still used"
                log.warning("certificates.unreadable", folder=self._folder, reason=error, effect=effect)
            return
        self._failed = ""
        if found.authority_pem != self._known.authority_pem:
            effect = "sidecars take it from their namespaces' ConfigMaps; without those, their pods must be made anew"
            log.warning("certificates.authority-changed", folder=self._folder, effect=effect)
            self._former = self._still_shown() or self._known
            self._former_until = self._clock() + CARRIED_S
        self._known = found

    def _still_shown(self) -> _Mounted | None:
        """What ADS shows in place of the newest, as long as not all sidecars know who made that."""
        if self._former is not None and (self._clock() >= self._former_until or self._now() >= self._former.ends):
            self._former = None
        return self._former

    async def announce(self) -> None:
        """The chart itself has told the API server whom to trust."""

    def _load(self) -> _Mounted:
        """Raises OSError or ValueError; ssl.SSLError is an OSError."""
        server = KeyPair((self._folder / "tls.crt").read_bytes(), (self._folder / "tls.key").read_bytes())
        authority_pem = (self._folder / "ca.crt").read_text(encoding="ascii")
        certificate = x509.load_pem_x509_certificate(server.certificate_pem)
        found = _Mounted(server, authority_pem, _service_in(certificate), certificate.not_valid_after_utc)
        load_into(self.webhook_tls, server)
        return found


def is_mounted(folder: Path = FOLDER) -> bool:
    return all((folder / name).is_file() for name in ("tls.crt", "tls.key", "ca.crt"))


def _service_in(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = []
    for name in found:
        if name.endswith(_SERVICE):
            return name
    raise ValueError("its certificate names no Service, like name.namespace.svc")
