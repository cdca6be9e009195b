"""Paths and hosts: the small rules that the golden cases do not spell out one by one."""

import pytest
import re2

from crossfade.compile.gateway.paths import kong_paths, regex_problem
from crossfade.compile.gateway.routes import _host_match, _overlaps, _value_pattern
from crossfade.compile.gateway.state import PathKind
from crossfade.compile.gateway.targets import host_with_port

PATHS = [
    ("", "Prefix", [("plain", "/")]),
    ("/", "Prefix", [("plain", "/")]),
    ("/foo", "Prefix", [("plain", "/foo/"), ("exact", "/foo")]),
    ("/foo/", "Prefix", [("plain", "/foo/"), ("exact", "/foo")]),
    ("/a.b", "Prefix", [("plain", "/a.b/"), ("regex", "/a.b$")]),
    ("/", "Exact", [("exact", "/")]),
    ("/foo/", "Exact", [("exact", "/foo/")]),
    ("/a+b", "Exact", [("regex", "/a+b$")]),
    ("", "ImplementationSpecific", [("plain", "/")]),
    ("/foo", "ImplementationSpecific", [("plain", "/foo")]),
    ("//a//b", "ImplementationSpecific", [("plain", "/a/b")]),
    (r"/~/x/\d+", "ImplementationSpecific", [("regex", r"/x/\d+")]),
]


@pytest.mark.parametrize(("path", "path_type", "expected"), PATHS)
def test_paths(path: str, path_type: str, expected: list[tuple[str, str]]) -> None:
    assert [(found.kind.value, found.text) for found in kong_paths(path, path_type)] == expected


def test_the_regex_prefix_can_be_another() -> None:
    (found,) = kong_paths("/@/x", "ImplementationSpecific", regex_prefix="/@")
    assert (found.kind, found.text) == (PathKind.REGEX, "/x")


@pytest.mark.parametrize(("path", "kind"), [("/a/b-c_d.e~f%20", "plain"), ("/a/(b)", "regex"), ("/a$", "regex")])
def test_kong_2_detects_regexes_by_their_characters(path: str, kind: str) -> None:
    (found,) = kong_paths(path, "ImplementationSpecific", detects_regex=True)
    assert found.kind.value == kind


@pytest.mark.parametrize("pattern", ["/a(?=b)", "/a(", r"/(a)\1", "/[z-a]"])
def test_what_the_engine_cannot_take_is_found(pattern: str) -> None:
    assert regex_problem(pattern)


@pytest.mark.parametrize("pattern", [r"/r/(?<id>\d+)", r"/a{2,3}/[^/]+", "(?i)/x"])
def test_usual_patterns_are_fine(pattern: str) -> None:
    assert regex_problem(pattern) is None


@pytest.mark.parametrize(
    ("host", "domain", "overlaps"),
    [
        ("a.test", "a.test", True),
        ("a.test", "*", False),
        ("a.test", "*.test", False),
        ("*.test", "a.test", True),
        ("*.test", "test", False),
        ("*.test", "*.sub.test", True),
        ("*.sub.test", "*.test", False),
        ("a.*", "a.test", True),
        ("a.*", "b.test", False),
        ("a.*", "*.test", True),
        ("*.test", "a.*", False),
    ],
)
def test_which_hosts_can_meet_in_a_virtual_host(host: str, domain: str, overlaps: bool) -> None:
    assert _overlaps(host, domain) is overlaps


@pytest.mark.parametrize(
    ("hosts", "authority", "fits"),
    [
        (("one.test",), "one.test", True),
        (("one.test",), "one.test:8080", True),
        (("one.test",), "ONE.test", False),
        (("one.test",), "onextest", False),
        (("one.test", "*.two.test"), "a.b.two.test", True),
        (("*.two.test",), "two.test", False),
        (("app.*",), "app.example.org:1", True),
    ],
)
def test_hosts_are_compared_as_sent_but_without_port(hosts: tuple[str, ...], authority: str, fits: bool) -> None:
    (match,) = _host_match(hosts)
    (pattern,) = match.any_of
    assert bool(re2.fullmatch(pattern.value, authority)) is fits


@pytest.mark.parametrize(
    ("value", "text", "fits"),
    [
        ("v.1", "v.1", True),
        ("v.1", "vx1", False),
        ("~*^v[0-9]+$", "v12", True),
        ("~*^v[0-9]+$", "xv12", False),
        ("~*^v", "v12", True),
        ("~*2$", "v12", True),
        ("~*1", "v12", True),
    ],
)
def test_header_values(value: str, text: str, fits: bool) -> None:
    assert bool(re2.fullmatch(_value_pattern(value), text)) is fits


@pytest.mark.parametrize(
    ("host", "port", "protocol", "expected"),
    [
        ("a.test", 80, "http", "a.test"),
        ("a.test", 443, "http", "a.test:443"),
        ("a.test", 443, "https", "a.test"),
        ("a.test", 80, "grpcs", "a.test:80"),
        ("a.test", 9080, "http", "a.test:9080"),
        ("a.test:1", 9080, "http", "a.test:1"),
        ("fd00::1", 9080, "http", "[fd00::1]:9080"),
        ("fd00::1", 80, "http", "[fd00::1]"),
    ],
)
def test_upstream_host(host: str, port: int, protocol: str, expected: str) -> None:
    assert host_with_port(host, port, protocol) == expected
