"""A prefix tree that answers like a list of routes of which the first match wins, but in constant time.

Envoy looks up the longest key that begins the path, and a leaf whose routes all fail is final. So a leaf lists, in the
order of the list, every route that can match a path beginning with its key: those whose literal prefix begins the key.
"""

import re
from collections.abc import Sequence
from typing import Final

from crossfade.compile.routing.matches import PathMatchKind, RouteMatch
from crossfade.envoy.proto import matcher_v3, packed, route_v3, xds_core_v3, xds_matcher_v3

LIST_LIMIT: Final = 24
LITERAL_HEAD: Final = re.compile(r"[A-Za-z0-9/_\-~%]*")


def literal_prefix(match: RouteMatch) -> str:
    """A text with which every path that matches begins; empty if none is known."""
    if match.path_kind is not PathMatchKind.REGEX:
        # Envoy compares a prefix or path with the part before the query, the tree with all of it.
        return match.path.partition("?")[0]
    if "|" in match.path or "(?" in match.path:
        return ""
    head = LITERAL_HEAD.match(match.path.removeprefix("^"))
    text = head.group() if head else ""
    following = match.path.removeprefix("^")[len(text) :]
    # A quantifier takes the last character back; two, should one be a lazy form of the other, change nothing.
    return text[:-1] if following[:1] in ("?", "*", "+", "{") else text


def leaves(matches: Sequence[RouteMatch]) -> dict[str, list[int]]:
    """Key to the indexes of its routes, sorted by key; the key "" takes what no other takes."""
    prefixes = [literal_prefix(match) for match in matches]
    by_prefix: dict[str, list[int]] = {"": []}
    for index, prefix in enumerate(prefixes):
        by_prefix.setdefault(prefix, []).append(index)
    return {key: sorted(_candidates(key, by_prefix)) for key in sorted(by_prefix)}


def _candidates(key: str, by_prefix: dict[str, list[int]]) -> list[int]:
    return [index for end in range(len(key) + 1) for index in by_prefix.get(key[:end], ())]


class Leaves:
    """Each list of the same route messages is encoded once; keeps the messages, by whose identity it knows them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[Sequence[route_v3.Route], xds_core_v3.TypedExtensionConfig]] = {}

    def action(self, routes: Sequence[route_v3.Route]) -> xds_core_v3.TypedExtensionConfig:
        key = tuple(map(id, routes))
        if key not in self._known:
            self._known[key] = (routes, _action(routes))
        return self._known[key][1]


def matcher_from_routes(
    matches: Sequence[RouteMatch], routes: Sequence[route_v3.Route], encoded: Leaves
) -> xds_matcher_v3.Matcher:
    """`matches[i]` is what `routes[i]` was made from; tables that share routes share `encoded`."""
    by_key = leaves(matches)
    matcher = xds_matcher_v3.Matcher()
    tree = matcher.matcher_tree
    tree.input.name = "path"
    tree.input.typed_config.CopyFrom(packed(matcher_v3.HttpRequestHeaderMatchInput(header_name=":path")))
    for key, indexes in by_key.items():
        if key:
            tree.prefix_match_map.map[key].action.CopyFrom(encoded.action([routes[index] for index in indexes]))
    if by_key[""]:
        matcher.on_no_match.action.CopyFrom(encoded.action([routes[index] for index in by_key[""]]))
    return matcher


def _action(routes: Sequence[route_v3.Route]) -> xds_core_v3.TypedExtensionConfig:
    message = routes[0] if len(routes) == 1 else route_v3.RouteList(routes=routes)
    return xds_core_v3.TypedExtensionConfig(name="routes", typed_config=packed(message))
