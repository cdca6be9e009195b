"""The certificates of authorities that this machine trusts."""

import ssl
from pathlib import Path
from typing import Final

USUAL_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
# Debian, Red Hat, Alpine.
_USUAL: Final = (
    USUAL_AUTHORITIES,
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def system_authorities() -> str | None:
    """A file of PEM; None where there is none."""
    candidates = (ssl.get_default_verify_paths().cafile, *_USUAL)
    return next((path for path in candidates if path and Path(path).is_file()), None)
