"""Which clients are asked for a certificate (kong.md §6.2).

TLS begins before there is a request: server names have to do.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from crossfade.api.bounds import Misfit, host_name
from crossfade.compile.gateway.plugins import Attachments
from crossfade.compile.gateway.route_policies import Instance
from crossfade.compile.gateway.state import KongRoute, KongService
from crossfade.compile.model import AskedCertificate
from crossfade.compile.policies.plugin import ClientCertificates

# Kong's own mark for those whose server name nobody has told.
_ANY: Final = "*"


class AskedNames(Struct, frozen=True):
    """By server name the authorities, as PEM, that clients are told. None: others are not asked."""

    by_name: Mapping[str, tuple[str, ...]] = {}
    others: tuple[str, ...] | None = None

    def of(self, server_name: str) -> AskedCertificate | None:
        """The name itself counts first, then the longest `*.suffix` that it fits, as deep as it may be."""
        pems = self.by_name.get(server_name)
        rest = server_name.removeprefix("*.")
        while pems is None and "." in rest:
            rest = rest.partition(".")[2]
            pems = self.by_name.get(f"*.{rest}")
        pems = self.others if pems is None else pems
        return None if pems is None else AskedCertificate("".join(pems))

    @property
    def of_others(self) -> AskedCertificate | None:
        return None if self.others is None else AskedCertificate("".join(self.others))


NOBODY_ASKED: Final = AskedNames()


def asked_names(placed: Iterable[tuple[KongRoute, KongService]], plugins: Attachments) -> AskedNames:
    """A plugin on a route without server names, or on all requests, has everybody asked."""
    if not any(_step(instance) for instance in plugins.instances()):
        return NOBODY_ASKED
    found: dict[str, dict[str, None]] = {}
    for attached in plugins.of_all:
        _add(found, (_ANY,), attached.instance)
    for route, service in placed:
        if route.plugins or service.plugins:
            names = _server_names(route)
            for attached in (*plugins.of_route(route), *plugins.of_service(service)):
                _add(found, names, attached.instance)
    others = found.pop(_ANY, None)
    return AskedNames(
        {name: tuple(sorted(pems)) for name, pems in sorted(found.items())},
        None if others is None else tuple(sorted(others)),
    )


def _add(found: dict[str, dict[str, None]], names: Iterable[str], instance: Instance) -> None:
    step = _step(instance)
    if step is not None:
        for name in names:
            found.setdefault(name, {}).update(dict.fromkeys(step.told))


def _step(instance: Instance) -> ClientCertificates | None:
    steps = instance.accepted.steps if instance.accepted else ()
    return next((step for step in steps if isinstance(step, ClientCertificates)), None)


def _server_names(route: KongRoute) -> tuple[str, ...]:
    """Without those that no client can ask for; Envoy would refuse them."""
    if not route.snis:
        return (_ANY,)
    names = (name.lower().removesuffix(".") for name in route.snis)
    return tuple(name for name in names if not isinstance(host_name(name.removeprefix("*.")), Misfit))
