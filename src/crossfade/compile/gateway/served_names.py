"""Server names → which certificate answers, and whether the client is asked for its own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.client_certificates import AskedNames
from crossfade.compile.model import AskedCertificate, ServerCertificate
from crossfade.compile.routing.origin import Origin

_DEFAULT: Final = "default"


class ServedNames(NamedTuple):
    """As `FilterChain` has them; without names it is for all others."""

    name: str
    certificate: ServerCertificate
    server_names: tuple[str, ...]
    one_label_names: tuple[str, ...]
    asked: AskedCertificate | None
    origin: Origin | None


def served_names(
    default: ServerCertificate, certificates: Sequence[NamedCertificate], asked: AskedNames
) -> Iterator[ServedNames]:
    """Names of one certificate that are asked in different ways come apart.

    A certificate's `*.suffix` is for one label (kong.md §11); of those that are asked it is for any number.
    """
    places = {name: place for place, named in enumerate(certificates) for name in named.server_names}
    strays: dict[int, list[str]] = {}
    for name in asked.by_name:
        if name not in places or is_wildcard(name):
            strays.setdefault(_place(name, places), []).append(name)
    for place, named in enumerate(certificates):
        # Of Kong's wildcards those at the end of a name have no place in an Ingress.
        names = (name for name in named.server_names if not name.endswith("*"))
        yield from _apart(named.title, named.certificate, names, strays.get(place, ()), asked, named.origin)
    yield from _apart(_DEFAULT, default, (), strays.get(_NOBODY, ()), asked, None)
    yield ServedNames(_DEFAULT, default, (), (), asked.of_others, None)


_NOBODY: Final = -1


def is_wildcard(name: str) -> bool:
    return name.startswith("*.")


def _place(name: str, places: Mapping[str, int]) -> int:
    """Whose certificate answers for a name that none has itself. Many labels before a suffix are nobody's."""
    return _NOBODY if is_wildcard(name) else places.get(wildcard_of(name), _NOBODY)


def wildcard_of(name: str) -> str:
    """The one that covers the name by one label."""
    return f"*.{name.partition('.')[2]}"


def _apart(
    title: str,
    certificate: ServerCertificate,
    own: Iterable[str],
    strays: Iterable[str],
    asked: AskedNames,
    origin: Origin | None,
) -> Iterator[ServedNames]:
    groups: dict[AskedCertificate | None, tuple[list[str], list[str]]] = {}
    for name in own:
        groups.setdefault(asked.of(name), ([], []))[is_wildcard(name)].append(name)
    for name in strays:
        groups.setdefault(asked.of(name), ([], []))[0].append(name)
    for place, (wanted, (names, of_one_label)) in enumerate(groups.items()):
        # The names stay those of connections that are open, whatever becomes of the others.
        suffix = f"/{(*names, *of_one_label)[0]}" if place or origin is None else ""
        yield ServedNames(title + suffix, certificate, tuple(names), tuple(of_one_label), wanted, origin)
