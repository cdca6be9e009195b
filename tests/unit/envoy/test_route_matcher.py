"""The prefix tree answers like the list it was made from."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.compile.routing.matches import PathMatchKind, RouteMatch
from crossfade.envoy.proto import route_v3
from crossfade.envoy.route_matcher import Leaves, leaves, literal_prefix, matcher_from_routes

PREFIX, EXACT, REGEX = PathMatchKind

SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=3).map(lambda parts: "/" + "/".join(parts))
REGEXES = st.sampled_from(
    ["/a.*", "/a/[ab]+", "/ab?/.*", "/(a|b)/a", "/a|/b", "(?i)/A", ".*b", r"/a/\w", "^/a/b*", "/a{2}"]
)
MATCHES = st.one_of(
    st.builds(RouteMatch, SEGMENTS, st.sampled_from([PREFIX, EXACT])),
    st.builds(RouteMatch, REGEXES, st.just(REGEX)),
)
TARGETS = st.builds(lambda path, query: path + query, SEGMENTS, st.sampled_from(["", "?", "?a=/b", "?/a"]))


def matches(match: RouteMatch, target: str) -> bool:
    """What Envoy's route matcher says; it never looks at the query."""
    path = target.partition("?")[0]
    match match.path_kind:
        case PathMatchKind.PREFIX:
            return path.startswith(match.path)
        case PathMatchKind.EXACT:
            return path == match.path
        case PathMatchKind.REGEX:
            return re.fullmatch(match.path, path) is not None


def first_in_list(routes: list[RouteMatch], target: str) -> int | None:
    return next((index for index, route in enumerate(routes) if matches(route, target)), None)


def first_in_tree(routes: list[RouteMatch], target: str) -> int | None:
    """Envoy: the longest key that begins `:path`, query included, is final; without one, the leaf of no match."""
    tree = leaves(routes)
    key = max((key for key in tree if target.startswith(key)), key=len)
    return next((index for index in tree[key] if matches(routes[index], target)), None)


@settings(deadline=None)
@given(st.lists(MATCHES, max_size=12), TARGETS)
def test_tree_and_list_agree(routes: list[RouteMatch], target: str) -> None:
    assert first_in_tree(routes, target) == first_in_list(routes, target)


@settings(deadline=None)
@given(MATCHES, TARGETS)
def test_what_matches_begins_with_the_literal_prefix(match: RouteMatch, target: str) -> None:
    if matches(match, target):
        assert target.startswith(literal_prefix(match))


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        ("/foo$", "/foo"),
        ("/foo/.*", "/foo/"),
        ("/foo?", "/fo"),
        ("/foo*?x", "/fo"),
        ("/fo{2}", "/f"),
        ("^/foo/[a-z]", "/foo/"),
        ("/foo|/bar", ""),
        ("(?i)/foo", ""),
        (r"/foo\.txt", "/foo"),
        (".*", ""),
    ],
)
def test_literal_prefix_of_a_regex(regex: str, expected: str) -> None:
    assert literal_prefix(RouteMatch(regex, REGEX)) == expected


def test_leaves_carry_their_ancestors_in_order() -> None:
    routes = [RouteMatch("/a/b"), RouteMatch("/x", EXACT), RouteMatch("/a"), RouteMatch("/.*", REGEX), RouteMatch("/")]
    assert leaves(routes) == {"": [], "/": [3, 4], "/a": [2, 3, 4], "/a/b": [0, 2, 3, 4], "/x": [1, 3, 4]}


def test_a_leaf_of_one_route_needs_no_list() -> None:
    matcher = matcher_from_routes(
        [RouteMatch("/a"), RouteMatch("/b")], [route_v3.Route(name="a"), route_v3.Route(name="b")], Leaves()
    )
    actions = {key: one.action.typed_config.type_url for key, one in matcher.matcher_tree.prefix_match_map.map.items()}
    assert actions == dict.fromkeys(("/a", "/b"), "type.googleapis.com/envoy.config.route.v3.Route")
    assert not matcher.HasField("on_no_match")


def test_the_same_routes_are_encoded_once() -> None:
    one, two = route_v3.Route(name="a"), route_v3.Route(name="b")
    encoded = Leaves()
    assert encoded.action([one, two]) is encoded.action([one, two])
    assert encoded.action([one, two]) != encoded.action([two, one])
    assert encoded.action([one]) is not encoded.action([route_v3.Route(name="a")])
