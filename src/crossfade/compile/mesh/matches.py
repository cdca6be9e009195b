"""Conditions of App Mesh routes as the model's matches (appmesh.md §3.4)."""

from collections.abc import Iterable
from typing import Final

from crossfade.api.appmesh.values import HeaderMatch, PathMatch, QueryParameter, ValueMatch
from crossfade.api.appmesh.virtual_router import GrpcRouteMatch, HttpRouteMatch
from crossfade.api.bounds import INT64, Length, Misfit, encodable, header_name, header_value
from crossfade.compile.routing.matches import HeaderMatch as ModelHeaderMatch
from crossfade.compile.routing.matches import (
    PathMatchKind,
    QueryMatch,
    RangeMatch,
    RouteMatch,
    StringMatch,
    StringMatchKind,
)
from crossfade.compile.routing.patterns import re2_pattern


class Unusable(Exception):  # noqa: N818 - says what the condition is, not that the program failed
    """A condition that cannot be kept; `field` is the JSON path below the route's `match`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


QUERY_NAME: Final = Length(1, 1024)
"""Envoy's limits."""


def http_match(match: HttpRouteMatch) -> RouteMatch:
    """Raises Unusable."""
    path, kind = _path(match.prefix, match.path)
    return RouteMatch(
        path=path,
        path_kind=kind,
        methods=(match.method,) if match.method else (),
        headers=headers_match(match.headers, "headers"),
        query=query_match(match.query_parameters, "queryParameters"),
        scheme=match.scheme,
    )


def grpc_match(match: GrpcRouteMatch) -> RouteMatch:
    """Raises Unusable."""
    if match.method_name and not match.service_name:
        raise Unusable("methodName", "methodName needs serviceName")
    path, kind = "/", PathMatchKind.PREFIX
    if match.service_name:
        path = f"/{match.service_name}/"
    if match.method_name:
        path, kind = path + match.method_name, PathMatchKind.EXACT
    path = _usable(encodable(path), "serviceName")
    return RouteMatch(path=path, path_kind=kind, headers=headers_match(match.metadata, "metadata"), is_grpc=True)


def specificity(match: RouteMatch) -> tuple[int, int]:
    """Sorts exact paths and patterns first, then the longest prefix."""
    return (1, -len(match.path)) if match.path_kind is PathMatchKind.PREFIX else (0, 0)


def _path(prefix: str | None, path: PathMatch | None) -> tuple[str, PathMatchKind]:
    if prefix is not None and path is not None:
        raise Unusable("path", "both prefix and path are given, only one is allowed")
    if prefix is not None:
        if not prefix.startswith("/"):
            raise Unusable("prefix", f"{prefix!r} does not start with '/'")
        return _usable(encodable(prefix), "prefix"), PathMatchKind.PREFIX
    if path is None or (path.exact is None) == (path.regex is None):
        raise Unusable("path", "exactly one of prefix, path.exact and path.regex must be given")
    if path.exact is not None:
        return _usable(encodable(path.exact), "path.exact"), PathMatchKind.EXACT
    return _usable(re2_pattern(path.regex or ""), "path.regex"), PathMatchKind.REGEX


def headers_match(headers: Iterable[HeaderMatch], field: str) -> tuple[ModelHeaderMatch, ...]:
    """Raises Unusable; `field` is "headers" or "metadata"."""
    return tuple(
        ModelHeaderMatch(
            name=_usable(_header_name(header.name), f"{field}[{index}].name"),
            any_of=() if header.match is None else (_value_match(header.match, f"{field}[{index}].match"),),
            inverted=header.invert,
        )
        for index, header in enumerate(headers)
    )


def query_match(parameters: Iterable[QueryParameter], field: str) -> tuple[QueryMatch, ...]:
    """Raises Unusable."""
    found = []
    for index, parameter in enumerate(parameters):
        name = _usable(QUERY_NAME.check(parameter.name), f"{field}[{index}].name")
        exact = parameter.match.exact if parameter.match else None
        if exact is not None:
            _usable(encodable(exact), f"{field}[{index}].match.exact")
        found.append(QueryMatch(_usable(encodable(name), f"{field}[{index}].name"), exact))
    return tuple(found)


def _value_match(match: ValueMatch, field: str) -> StringMatch | RangeMatch:
    texts = (
        (StringMatchKind.EXACT, match.exact),
        (StringMatchKind.PREFIX, match.prefix),
        (StringMatchKind.SUFFIX, match.suffix),
        (StringMatchKind.REGEX, match.regex),
    )
    given: list[StringMatch | RangeMatch] = [StringMatch(kind, text) for kind, text in texts if text is not None]
    if match.range is not None:
        if match.range.end <= match.range.start:
            raise Unusable(f"{field}.range", "end has to be greater than start")
        for end, number in (("start", match.range.start), ("end", match.range.end)):
            if isinstance(misfit := INT64.check(number), Misfit):
                raise Unusable(f"{field}.range.{end}", misfit.problem)
        given.append(RangeMatch(match.range.start, match.range.end))
    if len(given) != 1:
        raise Unusable(field, "exactly one of exact, prefix, suffix, regex and range must be given")
    only = given[0]
    if isinstance(only, StringMatch):
        _usable(_text_of(only), f"{field}.{only.kind}")
    return only


def _text_of(match: StringMatch) -> str | Misfit:
    if match.kind is StringMatchKind.REGEX:
        return re2_pattern(match.value)
    if not match.value and match.kind is not StringMatchKind.EXACT:
        return Misfit(f"an empty {match.kind} is not allowed")
    return header_value(match.value)


def _header_name(name: str) -> str | Misfit:
    """Pseudo-headers (`:authority`) can be matched too."""
    checked = header_name(name.removeprefix(":"))
    return checked if isinstance(checked, Misfit) else name


def _usable(checked: str | Misfit, field: str) -> str:
    if isinstance(checked, Misfit):
        raise Unusable(field, checked.problem)
    return checked
