"""Paths and hosts: the small rules that the golden cases do not spell out one by one."""

import pytest

from crossfade.compile.gateway.paths import kong_paths, looks_like_regex
from crossfade.compile.gateway.targets import host_with_port
from crossfade.compile.routing.matches import PathMatchKind

PATHS = [
    ("", "Prefix", [("prefix", "/")]),
    ("/", "Prefix", [("prefix", "/")]),
    ("/foo", "Prefix", [("prefix", "/foo/"), ("exact", "/foo")]),
    ("/foo/", "Prefix", [("prefix", "/foo/"), ("exact", "/foo")]),
    ("/a.b", "Prefix", [("prefix", "/a.b/"), ("regex", "/a.b$")]),
    ("/", "Exact", [("exact", "/")]),
    ("/foo/", "Exact", [("exact", "/foo/")]),
    ("/a+b", "Exact", [("regex", "/a+b$")]),
    ("", "ImplementationSpecific", [("prefix", "/")]),
    ("/foo", "ImplementationSpecific", [("prefix", "/foo")]),
    ("//a//b", "ImplementationSpecific", [("prefix", "/a/b")]),
    (r"/~/x/\d+", "ImplementationSpecific", [("regex", r"/x/\d+")]),
]


@pytest.mark.parametrize(("path", "path_type", "expected"), PATHS)
def test_paths(path: str, path_type: str, expected: list[tuple[str, str]]) -> None:
    assert [(found.kind.value, found.text) for found in kong_paths(path, path_type)] == expected


@pytest.mark.parametrize(
    ("path", "looks"),
    [
        ("/api/.*", True),
        (r"/v\d+", True),
        ("/v[12]", True),
        ("/(a|b)/c", True),
        ("/a/.+", True),
        ("^/a", True),
        ("/a$", True),
        ("/(a)?", True),
        ("/files/*", True),
        ("/v1.2/a+b", False),
        ("/odata/Items(1)", False),
        ("/a-b_c~d/$metadata", False),
        ("/@scope/pkg:1;v=2,3", False),
    ],
)
def test_what_looks_like_a_regex(path: str, looks: bool) -> None:
    assert looks_like_regex(path) is looks


def test_an_exact_path_is_no_stem_of_a_prefix() -> None:
    (exact,) = kong_paths("/a.b", "Exact")
    _, stem = kong_paths("/a.b", "Prefix")
    assert (exact.is_stem, stem.is_stem) == (False, True)


def test_the_regex_prefix_can_be_another() -> None:
    (found,) = kong_paths("/@/x", "ImplementationSpecific", regex_prefix="/@")
    assert (found.kind, found.text) == (PathMatchKind.REGEX, "/x")


@pytest.mark.parametrize(("path", "kind"), [("/a/b-c_d.e~f%20", "prefix"), ("/a/(b)", "regex"), ("/a$", "regex")])
def test_kong_2_detects_regexes_by_their_characters(path: str, kind: str) -> None:
    (found,) = kong_paths(path, "ImplementationSpecific", detects_regex=True)
    assert found.kind.value == kind


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
