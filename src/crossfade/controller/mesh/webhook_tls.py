"""TLS of the webhooks' listener, in Go's words for versions and cipher suites."""

import ssl
from typing import Final

from msgspec import Struct

OLDER_THAN_SERVED: Final = frozenset({"VersionTLS10", "VersionTLS11"})
_VERSIONS: Final = {
    **dict.fromkeys(OLDER_THAN_SERVED, ssl.TLSVersion.TLSv1_2),
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}
_KEY_EXCHANGES: Final = {"TLS_ECDHE_ECDSA_WITH_": "ECDHE-ECDSA-", "TLS_ECDHE_RSA_WITH_": "ECDHE-RSA-"}
_CIPHERS: Final = {
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "CHACHA20_POLY1305": "CHACHA20-POLY1305",
}
SUITES: Final = {
    go_exchange + go_cipher: exchange + cipher
    for go_exchange, exchange in _KEY_EXCHANGES.items()
    for go_cipher, cipher in _CIPHERS.items()
}
"""OpenSSL's names."""
OF_TLS_1_3: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
NOT_SERVED: Final = frozenset(
    {
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    }
)
"""Those that Go knows too: without forward secrecy, or broken."""


class WebhookTls(Struct, frozen=True):
    """`suites` are OpenSSL's names, for TLS 1.2; none for OpenSSL's own choice."""

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    suites: tuple[str, ...] = ()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.minimum
        if self.suites:
            context.set_ciphers(":".join(self.suites))
        return context


def version(text: str) -> ssl.TLSVersion:
    """Raises ValueError with what is allowed; what is older than TLS 1.2 stands for it."""
    if text not in _VERSIONS:
        raise ValueError(f"it must be one of {', '.join(sorted(_VERSIONS))}")
    return _VERSIONS[text]


def suites(text: str) -> tuple[str, ...]:
    """As `version`. Suites of TLS 1.3 cannot be chosen: all are always there, as with Go."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SUITES and name not in OF_TLS_1_3 and name not in NOT_SERVED:
            raise ValueError(f"{name[:80]!r} is no cipher suite of Go: use some of {', '.join(sorted(SUITES))}")
    found = tuple(dict.fromkeys(SUITES[name] for name in names if name in SUITES))
    if not found and any(name in NOT_SERVED for name in names):
        raise ValueError(f"none of them is served: use some of {', '.join(sorted(SUITES))}")
    return found


def not_served(text: str) -> list[str]:
    """Of the suites in `text`."""
    return [name for part in text.split(",") if (name := part.strip()) in NOT_SERVED]
