"""What is told of a request: the route and why it won, its plugins and who attached them, and what comes of it."""

import io
from functools import cache

import pytest

from crossfade.certs.default_certificate import self_signed_certificate
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.explain.explainer import Explainer
from crossfade.explain.model import Explanation
from crossfade.explain.request import BadRequest, question_of
from crossfade.explain.text import lines_of
from crossfade.gateway_files.given import GivenFiles
from crossfade.gateway_files.once import compiled_files
from tests.support.gateway import ingress, service
from tests.unit.explain.manifests import SHOP


@cache
def explainer(manifests: str = SHOP) -> Explainer:
    settings = CompileSettings(salt=b"salt", default_certificate=self_signed_certificate())
    return Explainer(compiled_files(GivenFiles(["-"], stdin=io.StringIO(manifests)), settings)[0])


def explain(url: str, *headers: str, method: str = "GET", manifests: str = SHOP) -> Explanation:
    return explainer(manifests).explain(question_of(method, url, headers), url)


def answered(found: Explanation) -> tuple[int, str, str]:
    assert found.answer is not None
    return found.answer.status, found.answer.by, found.answer.why


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.test/shop", (401, "plugin key-auth (KongPlugin default/auth)",
         "attached by annotation konghq.com/plugins of Ingress default/shop")),
        ("http://a.test/secure", (426, "the gateway", "the route takes HTTPS only")),
        ("http://a.test/moved", (308, "the gateway", "the route takes HTTPS only")),
        ("http://a.test/broken", (503, "the gateway",
         "the route is closed: plugin rate-limiting of KongPlugin default/bad has an invalid configuration")),
        ("http://a.test/empty", (503, "the gateway", "Ingress default/empty has no endpoint")),
        ("http://a.test/elsewhere", (404, "the gateway", "no route matches")),
        ("http://a.test/../x", (400, "the gateway", "the request is refused before a route is looked for")),
    ],
)  # fmt: skip
def test_what_the_gateway_answers_itself(url: str, expected: tuple[int, str, str]) -> None:
    found = explain(url)
    assert answered(found) == expected
    assert found.forwarded is None


def test_plugins_in_order_with_who_attached_them() -> None:
    found = explain("http://a.test/shop", "apikey: s3cret")
    assert [(each.name, each.object, each.origin, each.part) for each in found.plugins] == [
        ("correlation-id", "KongPlugin default/number", "annotation konghq.com/plugins of Service default/web", "ran"),
        ("cors", "KongClusterPlugin everywhere", "label global: true", "ran"),
        ("key-auth", "KongPlugin default/auth", "annotation konghq.com/plugins of Ingress default/shop", "ran"),
        ("rate-limiting", "KongPlugin default/annual", "annotation konghq.com/plugins of the consumer", "ran"),
        (
            "response-transformer",
            "KongPlugin default/golden",
            "annotation konghq.com/plugins of KongConsumerGroup default/gold",
            "ran",
        ),
    ]
    assert found.forwarded is not None
    assert (found.forwarded.consumer, found.forwarded.path) == ("ann", "/shop")


def test_explaining_counts_for_nobody() -> None:
    """The consumer may ask once a year."""
    for _ in range(3):
        assert explain("http://a.test/shop", "apikey: s3cret").answer is None


def test_credentials_are_not_repeated() -> None:
    found = explain("http://a.test/shop", "apikey: s3cret")
    assert "s3cret" not in repr(found)
    assert found.forwarded is not None
    assert found.forwarded.hidden == ("x-number",)


def test_why_it_won_over_the_next() -> None:
    found = explain("http://a.test/shop/deals/today")
    assert found.route is not None
    assert found.runner_up is not None
    assert (found.route.object, found.runner_up.object) == ("Ingress default/deals", "Ingress default/shop")
    assert found.decided is not None
    assert (found.decided.criterion, found.decided.winner, found.decided.runner_up) == (
        "length of a plain path",
        "12",
        "6",
    )
    assert found.decided.equal[:2] == ("default backend", "kinds of attributes")


def test_no_route_names_the_nearest() -> None:
    found = explain("http://w.test/write", method="GET")
    assert next((each.route.object, each.fails) for each in found.nearest) == ("Ingress default/write", ("method",))
    assert len(found.nearest) == 3


def test_diagnostics_are_those_of_the_objects_concerned() -> None:
    assert {each.code for each in explain("http://a.test/broken").diagnostics} == {
        "plugin.refused",
        "plugin.refused-here",
    }
    assert {each.code for each in explain("http://a.test/empty").diagnostics} == {"backend.service-not-found"}
    assert explain("http://a.test/shop").diagnostics == ()


def test_listeners_and_server_names() -> None:
    assert explain("https://a.test/secure").forwarded is not None
    listener = explain("https://a.test/secure").listener
    assert listener is not None
    assert (listener.name, listener.port, listener.certificate) == ("https", 8443, "")
    snis = ingress("a", "/a", "web", "konghq.com/snis: a.test") + service("web", 9080)
    assert explain("https://a.test/a", manifests=snis).route is not None
    assert [each.fails for each in explain("https://b.test/a", manifests=snis).nearest] == [("sni",)]


def test_nothing_at_all() -> None:
    assert answered(explain("http://a.test/", manifests=""))[0] == 404


def test_it_reads_as_text() -> None:
    text = "\n".join(lines_of(explain("http://a.test/shop/deals/x")))
    assert "route     default.deals.web..80 (Ingress default/deals, spec.rules[0].http.paths[0])" in text
    assert "why       its path is longer (length of a plain path: 12 against 6)" in text
    assert "forwards  /shop/deals/x with Host a.test" in text
    assert "hint: " in "\n".join(lines_of(explain("http://a.test/empty")))


@pytest.mark.parametrize(
    "url", ["shop/x", "ftp://a.test/", "http:///x", "http://a.test:x/", "http://[::1/", "http://ü.test/ä"]
)
def test_what_is_no_request(url: str) -> None:
    with pytest.raises(BadRequest):
        question_of("GET", url)


def test_questions() -> None:
    question = question_of("GET", "https://a.test:8443/x?a=%20#part", ["Host: b.test", "X-Id:  7 "], client="::1")
    assert (question.target, question.authority, question.sni) == ("/x?a=%20", "b.test", "a.test")
    assert (question.headers, question.peer, question.is_tls) == ((("x-id", "7"),), "[::1]:40000", True)
    assert question_of("GET", "http://a.test").target == "/"
    assert question_of("GET", "http://a.test/?").target == "/?"
    with pytest.raises(BadRequest, match="Name: value"):
        question_of("GET", "http://a.test", ["nothing"])
    with pytest.raises(BadRequest, match="not a method"):
        question_of("GE T", "http://a.test")
