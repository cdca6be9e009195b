"""What annotations beyond App Mesh admission refuses, and what way out it names."""

import pytest

from crossfade.admission.appmesh_rules import check_object
from crossfade.admission.review import AdmissionRequest, Denied

FAULT = "abort 503 5%, from 2026-11-28T18:00:00Z for 15m"


def denial(kind: str, key: str, text: str, before: str | None = None) -> str:
    def obj(value: str) -> dict[str, object]:
        return {"metadata": {"name": "x", "namespace": "prod", "annotations": {key: value}}, "spec": {}}

    operation = "CREATE" if before is None else "UPDATE"
    old = {} if before is None else obj(before)
    try:
        check_object(AdmissionRequest("u", kind, operation, "prod", "x", obj(text), old))
    except Denied as denied:
        return str(denied)
    return ""


@pytest.mark.parametrize(
    ("kind", "key", "text"),
    [
        ("VirtualService", "crossfade.dev/fault", FAULT),
        ("VirtualRouter", "crossfade.dev/route-faults", f"a: {FAULT}\nb: {FAULT}"),
        ("VirtualRouter", "crossfade.dev/route-rate-limits", "a: 1/s"),
        ("VirtualNode", "crossfade.dev/rate-limit", "1/s"),
        ("VirtualNode", "crossfade.dev/max-request-bytes", "1Mi\n80: 1Ki"),
        ("VirtualNode", "crossfade.dev/egress-domains", "a.test, *.b.test"),
        ("VirtualNode", "crossfade.dev/header-case", "proper"),
        ("Mesh", "crossfade.dev/header-case", "preserve"),
        ("Mesh", "crossfade.dev/zones", "prefer-own"),
        # Not an annotation of this kind.
        ("VirtualGateway", "crossfade.dev/rate-limit", "much"),
    ],
)
def test_what_can_be_kept_is_admitted(kind: str, key: str, text: str) -> None:
    assert denial(kind, key, text) == ""


@pytest.mark.parametrize(
    ("kind", "key", "text", "problem", "way_out"),
    [
        ("VirtualService", "crossfade.dev/fault", "abort 503 5%", "does not say when", "from 2026-11-28T18:00:00Z for"),
        ("VirtualRouter", "crossfade.dev/route-faults", "a: b", "'b' is no part of a fault", "lines `route: fault`"),
        ("VirtualRouter", "crossfade.dev/route-rate-limits", "a: 0/s", "0 is too small", "`checkout: 100/s burst 200`"),
        ("VirtualNode", "crossfade.dev/rate-limit", "much", "'much' is no number", "`100/s`"),
        ("VirtualNode", "crossfade.dev/max-request-bytes", "1Ti", "'1Ti' is no size", "`10Mi`"),
        ("VirtualNode", "crossfade.dev/egress-domains", "10.0.0.1", "is an address", "`api.stripe.com, "),
        ("VirtualNode", "crossfade.dev/header-case", "UPPER", "'UPPER' is not known", "lower, preserve, proper"),
        ("VirtualNode", "crossfade.dev/zones", "own", "'own' is not known", "any, prefer-own"),
        ("Mesh", "crossfade.dev/header-case", "", "'' is not known", "lower, preserve, proper"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_way_out(
    kind: str, key: str, text: str, problem: str, way_out: str
) -> None:
    told = denial(kind, key, text)
    assert told.startswith(f"{kind} metadata.annotations[{key}]: ")
    assert problem in told
    assert way_out in told


def test_what_was_there_before_stops_no_other_change() -> None:
    key = "crossfade.dev/rate-limit"
    assert denial("VirtualNode", key, "much", before="much") == ""
    assert denial("VirtualNode", key, "much", before="1/s") != ""
