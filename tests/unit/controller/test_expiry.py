"""When certificates end, for who watches over them."""

from datetime import UTC, datetime

import pytest

from crossfade.certs.ca import KeyPair, create_authority
from crossfade.certs.issuer import SERVER_LIFETIME, issue_server_certificate
from crossfade.controller.expiry import webhook_expiry
from crossfade.controller.tally import Expiry
from crossfade_kube.meta import NamespacedName

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECRET = NamespacedName("system", "keys")


def test_the_certificate_of_webhooks_is_told() -> None:
    authority = create_authority("ca", now=NOW)
    served = issue_server_certificate(authority, ["a.svc"], now=NOW)
    # After a change of the authority another one follows.
    chain = KeyPair(served.certificate_pem + authority.certificate_pem, served.key_pem)
    (found,) = webhook_expiry(SECRET, chain)
    assert found._replace(at=NOW) == Expiry("system", "keys", "webhook", NOW)
    assert abs(found.at - (NOW + SERVER_LIFETIME)).total_seconds() < 86_400


@pytest.mark.parametrize("served", [None, KeyPair(b"", b""), KeyPair(b"\xff", b"")])
def test_of_what_cannot_be_read_nothing_is_told(served: KeyPair | None) -> None:
    assert list(webhook_expiry(SECRET, served)) == []
