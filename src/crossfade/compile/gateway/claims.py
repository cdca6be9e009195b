"""Paths that two Ingresses claim with equal weight: one of them never gets a request, which is told."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.routes import weight
from crossfade.compile.gateway.state import KongBackend, KongRoute
from crossfade.compile.memo import Memo

_ANY_HOST: Final = "any host"


class _Claim(NamedTuple):
    """`key` is the same for all that take the very same requests with the same weight."""

    key: str
    host: str
    path: str


def tell_rivals(routes: Iterable[KongRoute], memo: Memo, diagnostics: Diagnostics) -> None:
    """Linear: claims are made once for each route, and compared by a look-up."""
    ordered = tuple(routes)
    claims = memo.each("claims", ((route,) for route in ordered), (), _claims_of, diagnostics)
    first: dict[str, KongRoute] = {}
    rivals: dict[str, list[tuple[KongRoute, _Claim]]] = {}
    for route, made in zip(ordered, claims, strict=True):
        for claim in made:
            if first.setdefault(claim.key, route) is not route:
                rivals.setdefault(claim.key, []).append((route, claim))
    for key, losers in rivals.items():
        winner = min((first[key], *(route for route, _ in losers)), key=_age)
        for route, claim in ((first[key], losers[0][1]), *losers):
            if route is not winner:
                _tell(route, claim, winner, diagnostics)


def _claims_of(route: KongRoute, _: Diagnostics) -> tuple[_Claim, ...]:
    """Protocols do not matter: plain requests match also where TLS is wanted."""
    conditions = repr((route.methods, route.headers, route.snis))
    return tuple(
        _Claim("\0".join((host, path.kind, path.text, weight(path, route), conditions)), host or _ANY_HOST, path.text)
        for path in route.paths
        for host in route.hosts or ("",)
        # The path that a stem belongs to is claimed as well.
        if not route.is_default_backend and not path.is_stem
    )


def _named(backend: KongBackend) -> str:
    return f"KongServiceFacade {backend.facade}" if backend.facade else f"Service {backend.service.name}"


def _age(route: KongRoute) -> tuple[str, str]:
    return route.created, route.name


def _tell(route: KongRoute, claim: _Claim, winner: KongRoute, diagnostics: Diagnostics) -> None:
    is_same = winner.origin.ref == route.origin.ref
    of = f"{winner.origin.path} of the same Ingress" if is_same else str(winner.origin.ref)
    why = "is older" if winner.created < route.created else "comes first by name"
    diagnostics.warning(
        route.origin.ref,
        "ingress.path-taken",
        f"path {claim.path} of {claim.host} is claimed with the same weight by {of}, which {why}",
        effect=f"all requests for it go to {_named(winner.backend)} as {of} says",
        hint="give one of them another path, host or condition, or remove it",
        field=route.origin.path,
    )
