"""Keys for the standard library's TLS, which reads files only."""

import os
import ssl

from crossfade.certs.ca import KeyPair


def load_into(context: ssl.SSLContext, pair: KeyPair) -> None:
    """By a file that is in memory only: a container's root may be read-only, and a key belongs on no disk."""
    descriptor = os.memfd_create("crossfade-key")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(pair.certificate_pem + pair.key_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
