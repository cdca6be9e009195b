"""When the certificates end that the gateway shows."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.controller.tally import Expiry


def expiries_of(compiled: CompiledGateway | None) -> Iterator[Expiry]:
    """Of those that nobody can read nothing is said."""
    for one in compiled.entities.certificates if compiled is not None else ():
        ends = _end(one.certificate.chain_pem)
        if ends is not None:
            yield Expiry(one.origin.ref.namespace, one.origin.ref.name, "ingress", ends)


# Reading one takes 20 us, and a scrape reads all of them.
@lru_cache(maxsize=8192)
def _end(chain_pem: str) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(chain_pem.encode()).not_valid_after_utc
    except ValueError:
        return None
