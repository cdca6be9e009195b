"""Keys for the standard library's TLS, which reads files only."""

import os
import ssl
import tempfile
from pathlib import Path

from crossfade.certs.ca import KeyPair


def load_into(context: ssl.SSLContext, pair: KeyPair) -> None:
    """The file is gone afterwards."""
    descriptor, path = tempfile.mkstemp(prefix="crossfade-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pair.certificate_pem + pair.key_pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
