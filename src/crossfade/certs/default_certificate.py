"""The certificate for TLS clients that ask for a name which no Ingress has a certificate for."""

from datetime import UTC, datetime

from crossfade.certs.ca import create_authority
from crossfade.certs.issuer import issue_server_certificate
from crossfade.compile.model import ServerCertificate


def self_signed_certificate() -> ServerCertificate:
    """A new one; nobody can verify it, as with Kong."""
    now = datetime.now(UTC)
    pair = issue_server_certificate(create_authority("Crossfade gateway", now=now), ("localhost",), now=now)
    return ServerCertificate(pair.certificate_pem.decode(), pair.key_pem.decode())
