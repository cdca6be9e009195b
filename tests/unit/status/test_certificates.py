"""What is told of certificates that end."""

from datetime import UTC, datetime, timedelta

import pytest

from crossfade.api.appmesh import VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import ObjectState
from crossfade.compile.mesh.acm import UsedCertificate
from crossfade.status.appmesh import decide_changes
from crossfade.status.certificates import with_ages
from crossfade.status.change import News
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectMeta
from crossfade_kube.registry import typed_ref

END = datetime(2026, 12, 10, 12, tzinfo=UTC)
BEGIN = END - timedelta(days=90)
NODE = VirtualNode(ObjectMeta(name="jazz", namespace="prod", resource_version="7"))
REF = typed_ref(NODE)
USED = UsedCertificate(REF, "tls.crt of Secret prod/jazz", BEGIN, END)
SOON = "tls.crt of Secret prod/jazz ends on 2026-12-10: renew it before"
OVER = "tls.crt of Secret prod/jazz ended on 2026-12-10; peers that check it refuse it: renew it"
EARLY = "tls.crt of Secret prod/jazz counts from 2026-09-11 12:00 UTC on; peers that check it refuse it until then"


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (BEGIN - timedelta(seconds=1), EARLY),
        (BEGIN, ""),
        (END - timedelta(days=7, seconds=1), ""),
        (END - timedelta(days=7), SOON),
        (END - timedelta(seconds=1), SOON),
        (END, OVER),
        (END + timedelta(days=400), OVER),
    ],
)
def test_authors_hear_of_a_certificate_a_week_before_it_ends(now: datetime, text: str) -> None:
    states = with_ages({REF: ObjectState("arn", is_active=True)}, [USED], now)
    (change,) = decide_changes(Snapshot.of([NODE]), states, now=now, diagnostics=Diagnostics())
    assert change.patch is not None
    (condition,) = change.patch["status"]["conditions"]
    assert condition["status"] == "True"
    assert condition.get("message", "") == text
    assert condition.get("reason", "") == ("CertificateEnds" if text else "")
    assert change.news == ((News("CertificateEnds", text),) if text else ())


def test_what_is_not_carried_out_comes_first() -> None:
    states = with_ages({REF: ObjectState("arn", is_active=True, note="a field has no effect")}, [USED, USED], END)
    assert states[REF].note == f"a field has no effect | {OVER} | {OVER}"
    assert states[REF].note_reason == ""


def test_owners_that_are_gone_are_left_out() -> None:
    assert with_ages({}, [USED], END) == {}
