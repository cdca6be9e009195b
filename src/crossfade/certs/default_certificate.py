"""The certificates of the settings: for names that no Ingress has one for, for the Admin API, and to show Services."""

from datetime import UTC, datetime

from crossfade.certs.ca import create_authority
from crossfade.certs.issuer import issue_server_certificate
from crossfade.compile.key_pairs import UnusableError, check_pair
from crossfade.compile.model import ServerCertificate
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings


def default_certificate(kong: KongSettings) -> ServerCertificate | None:
    """That of the settings, else a new one; None where nothing listens with TLS. Raises ValueError."""
    listens = (*kong.proxy_listen, *kong.stream_listen)
    return _certificate("ssl_cert", (kong.ssl_cert, kong.ssl_cert_key), listens)


def admin_certificate(kong: KongSettings) -> ServerCertificate | None:
    """As `default_certificate`, for the Admin API."""
    pair = (kong.admin_ssl_cert, kong.admin_ssl_cert_key)
    return _certificate("admin_ssl_cert", pair, kong.admin_listen or ())


def client_certificate(kong: KongSettings) -> ServerCertificate | None:
    """What Services are shown where they name none; also where `client_ssl` is off. Raises ValueError."""
    if kong.client_ssl_cert is None or kong.client_ssl_cert_key is None:
        return None
    return _checked("client_ssl_cert", kong.client_ssl_cert, kong.client_ssl_cert_key)


def _certificate(
    setting: str, pair: tuple[str | None, str | None], listens: tuple[Listen, ...]
) -> ServerCertificate | None:
    if not any(listen.ssl for listen in listens):
        return None
    chain, key = pair
    if chain is None or key is None:
        return self_signed_certificate()
    return _checked(setting, chain, key)


def _checked(setting: str, chain: str, key: str) -> ServerCertificate:
    try:
        check_pair(chain, key)
    except UnusableError as problem:
        raise ValueError(f"{setting} and {setting}_key: {problem}") from None
    return ServerCertificate(chain, key)


def self_signed_certificate() -> ServerCertificate:
    """Nobody can verify it, as with Kong."""
    now = datetime.now(UTC)
    pair = issue_server_certificate(create_authority("Crossfade gateway", now=now), ("localhost",), now=now)
    return ServerCertificate(pair.certificate_pem.decode(), pair.key_pem.decode())
