"""What a CertificateRequest's status means, and by whom an issuer's certificates are believed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossfade.certs.ca import create_authority
from crossfade.controller.mesh.certificate_requests import Answer, RefusedError, answer_in
from crossfade.controller.mesh.issuer_authorities import MOST, joined

NOW = datetime(2026, 11, 28, tzinfo=UTC)
Json = dict[str, Any]


def condition(kind: str, status: str, reason: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": "said so"}


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"conditions": None},
        {"conditions": [condition("Approved", "True")]},
        {"conditions": [condition("Ready", "False", "Pending")], "certificate": "eA=="},
    ],
)
def test_nothing_is_an_answer_before_it_is_ready(status: Json) -> None:
    assert answer_in(status) is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (condition("Denied", "True"), "Denied: said so"),
        (condition("InvalidRequest", "True"), "InvalidRequest: said so"),
        (condition("Ready", "False", "Failed"), "Failed: said so"),
    ],
)
def test_a_refusal_is_told_in_the_issuers_words(found: Json, text: str) -> None:
    with pytest.raises(RefusedError, match=f"^{text}$"):
        answer_in({"conditions": [found]})


def test_an_answer_is_a_certificate_and_perhaps_its_authority() -> None:
    ready = {"conditions": [condition("Ready", "True", "Issued")]}
    assert answer_in({**ready, "certificate": "eA==", "ca": "eQ=="}) == Answer(b"x", b"y")
    assert answer_in({**ready, "certificate": "eA=="}) == Answer(b"x", b"")
    with pytest.raises(RefusedError, match="no base64"):
        answer_in({**ready, "certificate": "a"})


def test_authorities_are_kept_once_while_they_last_and_not_without_end() -> None:
    made = [create_authority(f"{number}", now=NOW).certificate_pem.decode() for number in range(MOST + 1)]
    assert joined(made[0], made[0], NOW) == made[0]
    assert joined(made[0], made[1], NOW) == made[0] + made[1]
    assert joined("nonsense", made[1], NOW) == made[1]
    assert joined("".join(made[:-1]), made[-1], NOW) == "".join(made[1:])
    assert joined(made[0], made[1], NOW + timedelta(days=4000)) == ""
