"""When certificates end."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from crossfade.certs.ca import KeyPair
from crossfade.controller.tally import Expiry
from crossfade_kube.meta import NamespacedName


# Reading one takes 20 us, and a scrape reads all of them.
@lru_cache(maxsize=8192)
def end_of(chain_pem: str) -> datetime | None:
    """Of the first of the chain; None where it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(chain_pem.encode()).not_valid_after_utc
    except ValueError:
        return None


def webhook_expiry(secret: NamespacedName, served: KeyPair | None) -> Iterator[Expiry]:
    """Of the certificate that webhooks show, which is in that Secret."""
    ends = end_of(served.certificate_pem.decode("ascii", "replace")) if served is not None else None
    if ends is not None:
        yield Expiry(secret.namespace, secret.name, "webhook", ends)
