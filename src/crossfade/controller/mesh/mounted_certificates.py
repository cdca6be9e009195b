"""The certificates of a chart that makes them itself: mounted, and the registrations of webhooks are the chart's too.

App Mesh's chart has no Service for ADS, since its sidecars asked AWS. They reach it through that of the webhooks, whose
name the certificate tells.
"""

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
_SERVICE: Final = ".svc"

log = EventLog("crossfade.mesh")


class _Mounted(NamedTuple):
    server: KeyPair
    authority_pem: str
    service: str


class MountedCertificates:
    """As `Certificates`, which it takes the place of."""

    def __init__(self, folder: Path, *, tls: WebhookTls) -> None:
        """Raises ConfigError where what is mounted cannot serve."""
        self.webhook_tls: Final = tls.server_context()
        # Its Secret is the chart's business.
        self.secret: Final = NamespacedName("", folder.name)
        self._folder = folder
        self._failed = ""
        try:
            self._known = self._load()
        except (OSError, ValueError) as error:
            raise ConfigError(f"the certificate that is mounted at {folder} cannot be used: {error}") from error

    @property
    def authority_pem(self) -> str:
        """What clients trust."""
        return self._known.authority_pem

    @property
    def ads_address(self) -> str:
        """`host:port` as sidecars know it: the webhooks' Service."""
        return f"{self._known.service}:{SERVICE_PORT}"

    @property
    def served(self) -> KeyPair | None:
        """What webhooks and ADS show."""
        return self._known.server

    def server_pair(self) -> ServerKeyPair:
        return ServerKeyPair(self._known.server.key_pem, self._known.server.certificate_pem)

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
            effect = "sidecars that know only the authority from before keep what they have until their pods are new"
            log.warning("certificates.authority-changed", folder=self._folder, effect=effect)
        self._known = found

    async def announce(self) -> None:
        """The chart itself has told the API server whom to trust."""

    def _load(self) -> _Mounted:
        """Raises OSError or ValueError; ssl.SSLError is an OSError."""
        server = KeyPair((self._folder / "tls.crt").read_bytes(), (self._folder / "tls.key").read_bytes())
        authority_pem = (self._folder / "ca.crt").read_text(encoding="ascii")
        found = _Mounted(server, authority_pem, _service_in(server.certificate_pem))
        load_into(self.webhook_tls, server)
        return found


def is_mounted(folder: Path = FOLDER) -> bool:
    return all((folder / name).is_file() for name in ("tls.crt", "tls.key", "ca.crt"))


def _service_in(certificate_pem: bytes) -> str:
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = []
    for name in found:
        if name.endswith(_SERVICE):
            return name
    raise ValueError("its certificate names no Service, like name.namespace.svc")
