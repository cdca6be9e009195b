"""What the policy module says of configurations, and which route it would choose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.policy_module.library import Request, Tables, plugin_names, problem
from crossfade.policy_module.rehearsal import Matched, Question

SETTINGS = {"compat": "kong-3", "server_token": "kong/3.9.1"}


@pytest.mark.parametrize("pattern", ["/a(?=b)", "/a(", r"/(a)\1", "/[z-a]", r"/\Qa.b\E", r"/\101bc", r"/a\C"])
def test_what_the_engine_cannot_take_is_found(pattern: str) -> None:
    assert problem("regex", pattern)


@pytest.mark.parametrize("pattern", [r"/r/(?<id>\d+)", r"/a{2,3}/[^/]+", "(?i)/x"])
def test_usual_patterns_are_fine(pattern: str) -> None:
    assert problem("regex", pattern) is None


def test_kinds() -> None:
    assert problem("host", "*.a.test") is None
    assert problem("host", "a.*.test")
    assert problem("header", "~*^v[0-9]+$") is None
    assert problem("header", "~*(")
    assert problem("instance", '{"id": "i", "plugin": "key-auth", "config": {}}') is None
    assert (
        problem("instance", '{"id": "i", "plugin": "moon", "config": {}}') == 'there is no plugin "moon" in this module'
    )


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    for kind in ("settings", "route", "instance", "consumer", "regex", "header", "host"):
        found = problem(kind, text)  # type: ignore[arg-type]  # one of the kinds, from a list
        assert found is None or found


def test_it_carries_out_plugins() -> None:
    assert {"key-auth", "rate-limiting"} <= plugin_names()


def test_it_chooses_the_route() -> None:
    def route(name: str, path: str, rank: str, host: str) -> dict[str, object]:
        match = {"hosts": [host], "schemes": ["http"], "paths": [{"rank": rank, "kind": "prefix", "text": path}]}
        return {"id": name, "match": match}

    shard = {"shard": 0, "version": "v", "routes": [route("a", "/", "2", "a.test"), route("b", "/b", "1", "*.test")]}
    tables = Tables(SETTINGS, [shard])
    assert tables.choose("/b", host="a.test") == "b"
    assert tables.choose("/c", host="a.test") == "a"
    assert tables.choose("/c", host="b.test") is None
    assert tables.choose("/c", host="a.test", scheme="https") is None


def test_tables_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="cannot read"):
        Tables({"compat": "kong-9"}, [])


def test_it_tells_what_it_left_out() -> None:
    good = {"id": "good", "match": {"schemes": ["http"], "paths": [{"rank": "1", "kind": "prefix", "text": "/"}]}}
    routes = [good, *({"id": f"bad-{number}"} for number in range(100))]
    tables = Tables(SETTINGS, [{"shard": 0, "version": "", "routes": routes}])
    problems = tables.problems()
    assert len(problems) == 100
    assert problems[7].startswith("route bad-7 is left out: ")
    assert tables.choose("/") == "good"
    assert Tables(SETTINGS, []).problems() == []


def test_it_answers_many_requests_at_once() -> None:
    """More ids than it has room for at first."""
    paths = [[{"rank": f"{number:04}", "kind": "exact", "text": f"/{number}"}] for number in range(1000)]
    routes = [{"id": f"route-{n}", "match": {"schemes": ["http"], "paths": path}} for n, path in enumerate(paths)]
    tables = Tables(SETTINGS, [{"shard": 0, "version": "", "routes": routes}])
    chosen = tables.choose_all([Request(f"/{number}") for number in range(1001)])
    assert chosen == [*(f"route-{number}" for number in range(1000)), None]
    assert tables.choose_all([]) == []


def test_halves_of_characters_are_no_request() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Tables(SETTINGS, []).choose("/\ud800")


def test_it_rehearses_a_request() -> None:
    match = {"hosts": ["a.test"], "schemes": ["http"], "paths": [{"rank": "1", "kind": "prefix", "text": "/a"}]}
    route = {"id": "r", "match": match, "refusal": "closed for good"}
    tables = Tables(SETTINGS, [{"shard": 0, "version": "", "routes": [route]}])
    question = Question("GET", "/a?x", "a.test:8000", peer="192.0.2.1:40000", local="192.0.2.2:8000")
    found = tables.rehearse(question)
    assert found.route == Matched("r", "1")
    assert found.answer is not None
    assert (found.answer.status, "closed for good" in found.answer.body) == (503, True)
    assert found.without_endpoint.status == 503


@given(st.text(), st.text(), st.text())
def test_no_request_is_too_strange(method: str, target: str, value: str) -> None:
    tables = Tables(SETTINGS, [])
    question = Question(method, target, value, peer=value, local=value, headers=(("x", value),))
    found = tables.rehearse(question)
    assert found.answer is not None
    assert found.answer.status in (400, 404, 405)
