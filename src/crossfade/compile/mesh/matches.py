"""Conditions of App Mesh routes as the model's matches (appmesh.md §3.4)."""

from collections.abc import Iterable
from typing import Final

import re2

from crossfade.api.appmesh.values import HeaderMatch, PathMatch, QueryParameter, ValueMatch
from crossfade.api.appmesh.virtual_router import GrpcRouteMatch, HttpRouteMatch
from crossfade.compile.model import HeaderMatch as ModelHeaderMatch
from crossfade.compile.model import PathMatchKind, QueryMatch, RangeMatch, RouteMatch, StringMatch, StringMatchKind


class Unusable(Exception):  # noqa: N818 - says what the condition is, not that the program failed
    """A condition that cannot be kept; `field` is the JSON path below the route's `match`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


_QUIET: Final = re2.Options()
_QUIET.log_errors = False


def http_match(match: HttpRouteMatch) -> RouteMatch:
    """Raises Unusable."""
    path, kind = _path(match.prefix, match.path)
    return RouteMatch(
        path=path,
        path_kind=kind,
        methods=(match.method,) if match.method else (),
        headers=headers_match(match.headers, "headers"),
        query=query_match(match.query_parameters),
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
    return RouteMatch(path=path, path_kind=kind, headers=headers_match(match.metadata, "metadata"), is_grpc=True)


def _path(prefix: str | None, path: PathMatch | None) -> tuple[str, PathMatchKind]:
    if prefix is not None and path is not None:
        raise Unusable("path", "both prefix and path are given, only one is allowed")
    if prefix is not None:
        if not prefix.startswith("/"):
            raise Unusable("prefix", f"{prefix!r} does not start with '/'")
        return prefix, PathMatchKind.PREFIX
    if path is None or (path.exact is None) == (path.regex is None):
        raise Unusable("path", "exactly one of prefix, path.exact and path.regex must be given")
    if path.exact is not None:
        return path.exact, PathMatchKind.EXACT
    return _regex(path.regex or "", "path.regex"), PathMatchKind.REGEX


def headers_match(headers: Iterable[HeaderMatch], field: str) -> tuple[ModelHeaderMatch, ...]:
    """Raises Unusable; `field` is "headers" or "metadata"."""
    return tuple(
        ModelHeaderMatch(
            name=header.name,
            any_of=() if header.match is None else (_value_match(header.match, f"{field}[{index}].match"),),
            inverted=header.invert,
        )
        for index, header in enumerate(headers)
    )


def query_match(parameters: Iterable[QueryParameter]) -> tuple[QueryMatch, ...]:
    return tuple(
        QueryMatch(parameter.name, parameter.match.exact if parameter.match else None) for parameter in parameters
    )


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
        given.append(RangeMatch(match.range.start, match.range.end))
    if len(given) != 1:
        raise Unusable(field, "exactly one of exact, prefix, suffix, regex and range must be given")
    if match.regex is not None:
        _regex(match.regex, f"{field}.regex")
    return given[0]


def _regex(pattern: str, field: str) -> str:
    # One pattern that Envoy cannot read would make it refuse the routes of all virtual services on that port.
    try:
        re2.compile(pattern, options=_QUIET)
    except re2.error as exc:
        raise Unusable(field, f"{pattern!r} is not a regular expression in RE2 syntax: {_reason(exc)}") from exc
    return pattern


def _reason(exc: Exception) -> str:
    text = exc.args[0] if exc.args else ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
