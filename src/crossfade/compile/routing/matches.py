"""What a request looks like: the conditions of a route."""

from enum import StrEnum

from msgspec import Struct


class StringMatchKind(StrEnum):
    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    REGEX = "regex"


class StringMatch(Struct, frozen=True):
    """`REGEX` must match the whole text (RE2 syntax)."""

    kind: StringMatchKind
    value: str
    ignores_case: bool = False


class RangeMatch(Struct, frozen=True):
    """Integer range, `start` included, `end` excluded."""

    start: int
    end: int


class HeaderMatch(Struct, frozen=True):
    """Empty `any_of` means "the header is present", else one alternative must hold; `inverted` negates all of it."""

    name: str
    any_of: tuple[StringMatch | RangeMatch, ...] = ()
    inverted: bool = False


class QueryMatch(Struct, frozen=True):
    """`exact=None` means "the parameter is present"."""

    name: str
    exact: str | None = None


class PathMatchKind(StrEnum):
    PREFIX = "prefix"
    """Plain string prefix: `/ab` matches `/abc`."""
    EXACT = "exact"
    REGEX = "regex"


class RouteMatch(Struct, frozen=True):
    """All conditions are ANDed; `path` never contains the query. A regex is RE2 and must match the whole path."""

    path: str = "/"
    path_kind: PathMatchKind = PathMatchKind.PREFIX
    methods: tuple[str, ...] = ()
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[QueryMatch, ...] = ()
    scheme: str | None = None
    is_grpc: bool = False
