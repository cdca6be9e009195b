"""What a proxy tells becomes a record, and a question takes it or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.envoy.telemetry.received import logs_in
from crossfade.observe.record import Met, Record, Wanted, record_from
from tests.unit.observe.calls import call, gateway_log, log


def read(texts: dict[str, str], node: str = "prod/dj") -> Record:
    (text,) = logs_in(call(texts))
    return record_from(text, node)


def test_a_sidecars_record_says_who_called_whom() -> None:
    told = log(code="503", flags="UH,URX", tries="3", trace="00-43b2f8-0102-01", request_id="abc-def-12", route="-")
    assert read(told) == Record(
        began_s=1000.5,
        side="source",
        node="prod/dj",
        method="GET",
        host="jazz.prod",
        path="/",
        code=503,
        duration_ms=2,
        target="prod/jazz-v1",
        flags=("UH", "URX"),
        tries=3,
        request_id="abc-def-12",
        trace="43b2f8",
    )


def test_a_gateways_record_has_the_request_as_the_client_sent_it() -> None:
    told = gateway_log("401", route="r1", denied_by="key-auth", reason="No API key", met=[["key-auth", "i1"]])
    record = read(told, "gateway")
    assert (record.path, record.host, record.kong_id[:6]) == ("/cart", "shop.example", "1917a0")
    assert (record.denied_by, record.reason, record.met) == ("key-auth", "No API key", (Met("key-auth", "i1"),))


RECORD = Record(
    began_s=0, side="source", node="prod/dj", method="GET", host="h", path="/a/b", code=503, target="prod/jazz-v1"
)
OF_GATEWAY = Record(
    began_s=0, side="gateway", node="gateway", method="GET", host="h", path="/", code=429, consumer="ann",
    route="id", route_name="shop.web", service="shop.web.80",
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "record", "takes"),
    [
        (Wanted(), RECORD, True),
        (Wanted(codes=("5xx",)), RECORD, True),
        (Wanted(codes=("4xx", "503")), RECORD, True),
        (Wanted(codes=("4xx", "500")), RECORD, False),
        (Wanted(nodes=("prod/jazz-v1",)), RECORD, True),
        (Wanted(nodes=("prod/jazz-v2",)), RECORD, False),
        (Wanted(method="get"), RECORD, True),
        (Wanted(method="POST"), RECORD, False),
        (Wanted(path="/a/*"), RECORD, True),
        (Wanted(path="/a"), RECORD, False),
        (Wanted(namespace="prod"), RECORD, True),
        (Wanted(namespace="shop"), RECORD, False),
        (Wanted(namespace="shop"), OF_GATEWAY, True),
        (Wanted(consumer="ann"), OF_GATEWAY, True),
        (Wanted(consumer="bob"), OF_GATEWAY, False),
        (Wanted(route="shop.web"), OF_GATEWAY, True),
        (Wanted(route="id"), OF_GATEWAY, True),
        (Wanted(route="other"), OF_GATEWAY, False),
    ],
)
def test_a_question_takes_what_it_asks_for(wanted: Wanted, record: Record, takes: bool) -> None:
    assert wanted.takes(record) is takes


@given(st.dictionaries(st.sampled_from(["code", "duration", "tries", "trace", "note", "flags", "path"]), st.text()))
def test_whatever_a_proxy_tells_is_a_record_or_a_value_error(texts: dict[str, str]) -> None:
    told = {key: text.encode("utf-8", "replace").decode() for key, text in texts.items()}
    try:
        record = read(told)
    except ValueError:
        return
    assert len(record.path) <= 512


@given(st.binary(max_size=200))
def test_whatever_is_no_call_is_a_value_error(call_bytes: bytes) -> None:
    try:
        for text in logs_in(call_bytes):
            record_from(text, "n")
    except ValueError:
        pass
