"""The certificate for TLS clients that ask for a name which no Ingress has a certificate for."""

from datetime import UTC, datetime

from crossfade.certs.ca import create_authority
from crossfade.certs.issuer import issue_server_certificate
from crossfade.compile.gateway.certificates import UnusableError, check_pair
from crossfade.compile.model import ServerCertificate
from crossfade.kong_conf.settings import KongSettings


def default_certificate(kong: KongSettings) -> ServerCertificate | None:
    """That of the settings, else a new one; None where nothing listens with TLS. Raises ValueError."""
    if not any(listen.ssl for listen in (*kong.proxy_listen, *kong.stream_listen)):
        return None
    if kong.ssl_cert is None or kong.ssl_cert_key is None:
        return self_signed_certificate()
    try:
        check_pair(kong.ssl_cert, kong.ssl_cert_key)
    except UnusableError as problem:
        raise ValueError(f"ssl_cert and ssl_cert_key: {problem}") from None
    return ServerCertificate(kong.ssl_cert, kong.ssl_cert_key)


def self_signed_certificate() -> ServerCertificate:
    """Nobody can verify it, as with Kong."""
    now = datetime.now(UTC)
    pair = issue_server_certificate(create_authority("Crossfade gateway", now=now), ("localhost",), now=now)
    return ServerCertificate(pair.certificate_pem.decode(), pair.key_pem.decode())
