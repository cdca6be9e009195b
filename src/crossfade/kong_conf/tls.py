"""TLS towards clients: which versions and ciphers Kong's suites stand for."""

from typing import Final, NamedTuple

PROTOCOLS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# By OpenSSL's names; what Envoy has of TLS 1.2 and older. Those of TLS 1.3 cannot be chosen.
CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
)
CUSTOM: Final = "custom"


class Suite(NamedTuple):
    """Without `ciphers` Envoy's own are offered."""

    protocols: tuple[str, ...]
    ciphers: tuple[str, ...] = ()


SUITES: Final = {
    "modern": Suite(PROTOCOLS[3:]),
    "intermediate": Suite(PROTOCOLS[2:]),
    "old": Suite(PROTOCOLS, CIPHERS),
    "fips": Suite(PROTOCOLS[2:3], (*CIPHERS[:4], "AES128-GCM-SHA256", "AES256-GCM-SHA384")),
    CUSTOM: Suite(PROTOCOLS[2:]),
}
