"""Headers that a virtual service's annotations set and remove, on the caller's side; App Mesh had no such thing."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct, structs

from crossfade.api.appmesh import VirtualService
from crossfade.api.bounds import LONGEST_HEADER_VALUE, Misfit, header_name, printable_header_value
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.routing.routes import Forward
from crossfade_kube.registry import typed_ref

SET_REQUEST_HEADERS: Final = "crossfade.dev/set-request-headers"
REMOVE_REQUEST_HEADERS: Final = "crossfade.dev/remove-request-headers"
SET_RESPONSE_HEADERS: Final = "crossfade.dev/set-response-headers"
REMOVE_RESPONSE_HEADERS: Final = "crossfade.dev/remove-response-headers"
# What says where a message goes and where it ends is Envoy's business.
_UNCHANGED: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade"})
# Half of what Envoy takes.
_MOST: Final = 500


class HeaderEdits(Struct, frozen=True):
    """What is set comes after what is removed, in the place of what was there."""

    set_in_request: tuple[tuple[str, str], ...] = ()
    removed_from_request: tuple[str, ...] = ()
    set_in_response: tuple[tuple[str, str], ...] = ()
    removed_from_response: tuple[str, ...] = ()

    def applied(self, forward: Forward) -> Forward:
        return structs.replace(
            forward,
            request_headers=(*forward.request_headers, *self.set_in_request),
            removed_request_headers=(*forward.removed_request_headers, *self.removed_from_request),
            response_headers=(*forward.response_headers, *self.set_in_response),
            removed_response_headers=(*forward.removed_response_headers, *self.removed_from_response),
        )


class _Unusable(Exception):  # noqa: N818 - says what the entry is, not that the program failed
    pass


def header_edits(service: VirtualService, diagnostics: Diagnostics) -> HeaderEdits:
    """An entry that cannot be kept is left out, with a word to its author."""

    def names(key: str) -> tuple[str, ...]:
        return tuple(_name(entry) for entry in _kept(service, key, _names, diagnostics))

    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        found = _kept(service, key, _lines, diagnostics)
        return tuple(dict(_pair(entry) for entry in found).items())

    return HeaderEdits(
        set_in_request=pairs(SET_REQUEST_HEADERS),
        removed_from_request=names(REMOVE_REQUEST_HEADERS),
        set_in_response=pairs(SET_RESPONSE_HEADERS),
        removed_from_response=names(REMOVE_RESPONSE_HEADERS),
    )


def _kept(
    service: VirtualService, key: str, entries: Callable[[str], Iterator[str]], diagnostics: Diagnostics
) -> Iterator[str]:
    check = _pair if entries is _lines else _name
    for index, entry in enumerate(entries(service.metadata.annotations.get(key, ""))):
        try:
            if index == _MOST:
                raise _Unusable(f"there are more than {_MOST} entries: this one and those after it are left out")
            check(entry)
        except _Unusable as problem:
            _tell(service, key, str(problem), diagnostics)
            if index == _MOST:
                return
        else:
            yield entry


def _tell(service: VirtualService, key: str, problem: str, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(service),
        "service.header-edit",
        problem,
        effect="it has no effect",
        hint="write `name: value` lines to set headers, names with commas between them to remove some",
        field=f"metadata.annotations[{key}]",
    )


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())


def _names(text: str) -> Iterator[str]:
    return (name for name in text.replace("\n", ",").split(",") if name.strip())


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise _Unusable(f"{line.strip()!a} has no colon")
    checked = printable_header_value(value.strip())
    if isinstance(checked, Misfit):
        raise _Unusable(checked.problem)
    # Envoy reads `%` as the beginning of a command, so it is doubled.
    if len(checked.replace("%", "%%").encode()) > LONGEST_HEADER_VALUE:
        raise _Unusable(f"a value has more than {LONGEST_HEADER_VALUE} bytes")
    return _name(name), checked


def _name(text: str) -> str:
    name = text.strip().lower()
    checked = header_name(name)
    if isinstance(checked, Misfit):
        raise _Unusable(checked.problem)
    if name in _UNCHANGED:
        raise _Unusable(f"{name} cannot be changed")
    return name
