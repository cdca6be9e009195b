"""pathType and path → Kong's paths (kong.md §3.2)."""

import re
from typing import Final

from crossfade.compile.gateway.state import KongPath
from crossfade.compile.routing.matches import PathMatchKind

REGEX_PREFIX: Final = "/~"
_SLASHES: Final = re.compile(r"/{2,}")
_METACHARACTERS: Final = re.compile(r"[.^$*+?()\[\]{}|\\]")
# What hardly stands in a path that is meant as it is written.
_LOOKS_LIKE_REGEX: Final = re.compile(r"[\\^\[\]{}|*]|\.\+|\(\?|\)[+?]|\$$")
# Kong 2 took a path for a regex as soon as it held any other character.
_PLAIN_IN_KONG_2: Final = re.compile(r"[a-zA-Z0-9.\-_~/%]*")


def kong_paths(
    path: str, path_type: str, *, regex_prefix: str = REGEX_PREFIX, detects_regex: bool = False
) -> tuple[KongPath, ...]:
    """`detects_regex` is Kong 2's heuristic for pathType ImplementationSpecific."""
    match path_type:
        case "Exact":
            return (_anchored(merged_slashes(path) or "/"),)
        case "Prefix":
            stem = merged_slashes(path).rstrip("/")
            if not stem:
                return (KongPath(PathMatchKind.PREFIX, "/"),)
            return KongPath(PathMatchKind.PREFIX, f"{stem}/"), _anchored(stem, is_stem=True)
    if path.startswith(regex_prefix):
        return (KongPath(PathMatchKind.REGEX, path.removeprefix(regex_prefix)),)
    if detects_regex and not _PLAIN_IN_KONG_2.fullmatch(path):
        return (KongPath(PathMatchKind.REGEX, path),)
    return (KongPath(PathMatchKind.PREFIX, merged_slashes(path) or "/"),)


def looks_like_regex(path: str) -> bool:
    return _LOOKS_LIKE_REGEX.search(path) is not None


def merged_slashes(path: str) -> str:
    return _SLASHES.sub("/", path)


def _anchored(path: str, *, is_stem: bool = False) -> KongPath:
    if _METACHARACTERS.search(path):
        # Kong's controller does not escape: `/a.b` also takes `/axb`.
        return KongPath(PathMatchKind.REGEX, f"{path}$", is_generated=True, is_stem=is_stem)
    return KongPath(PathMatchKind.EXACT, path, is_generated=True, is_stem=is_stem)
