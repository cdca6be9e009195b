"""Kong's order of precedence between routes that both match, by criterion: what `routes` ranks by (kong.md §3.3)."""

from typing import Final, NamedTuple

from crossfade.compile.routing.precedence import Weight, weights


class Criterion(NamedTuple):
    """`says` is why the smaller weight wins."""

    name: str
    kind: type[Weight]
    says: str


CRITERIA: Final = (
    Criterion("default backend", bool, "a rule comes before a default backend"),
    Criterion("kinds of attributes", int, "it asks for more kinds: methods, hosts, headers, paths, snis"),
    Criterion("no host or a wildcard", bool, "all its hosts are plain names"),
    Criterion("headers", int, "it asks for more headers"),
    Criterion("plain path", bool, "a regex comes before a plain path; pathType Exact and Prefix make regexes"),
    Criterion("regex priority", int, "its regex_priority is higher"),
    Criterion("length of a plain path", int, "its path is longer"),
    Criterion("length of a wildcard host", int, "its wildcard host is longer"),
    Criterion("written regex", bool, "a regex made of a pathType comes before one that was written"),
    Criterion("length of the path", int, "its path is longer"),
    Criterion("creation", str, "its Ingress is older"),
    Criterion("name", str, "nothing else differs, so the first name comes first"),
    Criterion("path", str, "nothing else differs, so the first path comes first"),
)
_KINDS: Final = tuple(criterion.kind for criterion in CRITERIA)


class Compared(NamedTuple):
    """Weights as ranked: counts and lengths are negative, since more comes first."""

    criterion: Criterion
    winner: Weight
    runner_up: Weight

    def shown(self, weight: Weight) -> str:
        """As people count it."""
        if isinstance(weight, bool):
            return "yes" if weight else "no"
        return str(-weight) if isinstance(weight, int) else weight


def compared(winner: str, runner_up: str) -> list[Compared]:
    """Two ranks criterion by criterion, up to the one that decides."""
    pairs = zip(CRITERIA, weights(winner, _KINDS), weights(runner_up, _KINDS), strict=True)
    found = []
    for criterion, one, other in pairs:
        found.append(Compared(criterion, one, other))
        if one != other:
            break
    return found
