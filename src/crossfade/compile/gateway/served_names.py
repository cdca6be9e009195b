"""Server names → which certificate answers, and whether the client is asked for its own."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.client_certificates import AskedNames
from crossfade.compile.model import AskedCertificate, ServerCertificate
from crossfade.compile.routing.origin import Origin

_DEFAULT: Final = "default"


class ServedNames(NamedTuple):
    """Without `server_names` it is for all others."""

    name: str
    certificate: ServerCertificate
    server_names: tuple[str, ...]
    asked: AskedCertificate | None
    origin: Origin | None


def served_names(
    default: ServerCertificate, certificates: Sequence[NamedCertificate], asked: AskedNames
) -> Iterator[ServedNames]:
    """Names of one certificate that are asked in different ways come apart."""
    covering = _Covering(certificates)
    strays: dict[int, list[str]] = {}
    for name in asked.by_name:
        if name not in covering.by_name:
            strays.setdefault(covering.place(name), []).append(name)
    for place, named in enumerate(certificates):
        # Envoy knows no `first.*` server names.
        names = (*(name for name in named.server_names if not name.endswith("*")), *strays.get(place, ()))
        yield from _apart(named.title, named.certificate, names, asked, named.origin)
    yield from _apart(_DEFAULT, default, tuple(strays.get(_NOBODY, ())), asked, None)
    yield ServedNames(_DEFAULT, default, (), asked.of_others, None)


def _apart(
    title: str, certificate: ServerCertificate, names: tuple[str, ...], asked: AskedNames, origin: Origin | None
) -> Iterator[ServedNames]:
    groups: dict[AskedCertificate | None, list[str]] = {}
    for name in names:
        groups.setdefault(asked.of(name), []).append(name)
    for place, (wanted, members) in enumerate(groups.items()):
        # The names stay those of connections that are open, whatever becomes of the others.
        suffix = f"/{members[0]}" if place or origin is None else ""
        yield ServedNames(title + suffix, certificate, tuple(members), wanted, origin)


_NOBODY: Final = -1


class _Covering:
    """Whose certificate answers for a name."""

    def __init__(self, certificates: Sequence[NamedCertificate]) -> None:
        self.by_name = {name: place for place, named in enumerate(certificates) for name in named.server_names}

    def place(self, name: str) -> int:
        """That of the longest `*.suffix` that the name fits, as Envoy chooses."""
        rest = name.removeprefix("*.")
        while "." in rest:
            rest = rest.partition(".")[2]
            if f"*.{rest}" in self.by_name:
                return self.by_name[f"*.{rest}"]
        return _NOBODY
