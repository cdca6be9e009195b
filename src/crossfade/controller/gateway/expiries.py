"""When the certificates end that the gateway shows."""

from collections.abc import Iterator

from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.controller.expiry import end_of
from crossfade.controller.tally import Expiry


def expiries_of(compiled: CompiledGateway | None) -> Iterator[Expiry]:
    """Of those that nobody can read nothing is said."""
    for one in compiled.entities.certificates if compiled is not None else ():
        ends = end_of(one.certificate.chain_pem)
        if ends is not None:
            yield Expiry(one.origin.ref.namespace, one.origin.ref.name, "ingress", ends)
