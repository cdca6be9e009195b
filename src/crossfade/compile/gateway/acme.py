"""The plugin acme: which certificates are to be asked for, those that are there, and the challenges (kong.md §5.22)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct, structs

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.acme_hosts import Hosts, hosts_of
from crossfade.compile.gateway.acme_store import Kept, Stored, stored_in
from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.route_policies import Instance
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.gateway.state import KongBackend, KongPath, KongRoute, KongService
from crossfade.compile.memo import Memo
from crossfade.compile.model import Cluster, Discovery, ServerCertificate
from crossfade.compile.policies.plugin import Errand
from crossfade.compile.routing import tables
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import IngressServiceBackend
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject, NamespacedName, ObjectRef

PLUGIN: Final = "acme"
CHALLENGES: Final = "/.well-known/acme-challenge/"
_NAME: Final = "acme.challenges"
_SHOWN: Final = 3


class Demand(Struct, frozen=True):
    """What the plugin object `ref` asks of the control plane.

    `tokens` are those that this state answers, `served` the hosts whose certificate is there.
    """

    ref: ObjectRef
    config: JsonObject
    hosts: tuple[str, ...]
    tokens: frozenset[str] = frozenset()
    served: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Demand({self.ref}, {self.hosts})"


class Acme(NamedTuple):
    demand: Demand
    instance: str
    challenges: Mapping[str, str]
    certificates: tuple[NamedCertificate, ...]
    placed: tuple[tuple[KongRoute, KongService], ...]
    """Where no other route takes challenges, as one for HTTPS alone does not; Kong's users write one by hand."""


def acme_of(
    instance: Instance | None,
    routes: Sequence[KongRoute],
    certified: Iterable[NamedCertificate],
    snapshot: Snapshot,
    settings: CompileSettings,
    memo: Memo,
    diagnostics: Diagnostics,
) -> Acme | None:
    """`instance` is the one that applies to all requests."""
    steps = instance.accepted.steps if instance is not None and instance.accepted is not None else ()
    errand = next((step for step in steps if isinstance(step, Errand)), None)
    if instance is None or errand is None:
        return None
    hosts = hosts_of(errand.config, routes, (name for one in certified for name in one.server_names))
    if not any(listen.ssl for listen in settings.kong.proxy_listen):
        _tell_plain(instance.ref, diagnostics)
        hosts = Hosts(())
    _tell(instance.ref, hosts, diagnostics)
    stored = _stored(snapshot, settings.acme_secrets, memo, diagnostics)
    served = tuple(host for host in hosts.wanted if host in stored.certificates)
    demand = Demand(instance.ref, errand.config, hosts.wanted, frozenset(stored.challenges), served)
    return Acme(
        demand,
        instance.id,
        stored.challenges,
        tuple(_named(instance.ref, host, stored.certificates[host]) for host in served),
        _placed(instance.ref, hosts.wanted, memo, diagnostics),
    )


def _named(ref: ObjectRef, host: str, certificate: ServerCertificate) -> NamedCertificate:
    """By itself, since it is renewed often."""
    return NamedCertificate(Origin(ref), (host,), structs.replace(certificate, name=f"acme.{host}"))


def with_challenges(
    rows: tuple[tables.Row[tables.Instance], ...], acme: Acme | None
) -> tuple[tables.Row[tables.Instance], ...]:
    """The module's instance knows the tokens that are waited for."""
    if acme is None or not acme.challenges:
        return rows
    return tuple(_with_challenges(row, acme) if row.value.id == acme.instance else row for row in rows)


def _with_challenges(row: tables.Row[tables.Instance], acme: Acme) -> tables.Row[tables.Instance]:
    config = {**row.value.config, "challenges": dict(acme.challenges)}
    return structs.replace(row, value=structs.replace(row.value, config=config))


def _stored(snapshot: Snapshot, names: tuple[NamespacedName, ...], memo: Memo, diagnostics: Diagnostics) -> Stored:
    certificates: dict[str, ServerCertificate] = {}
    challenges: dict[str, str] = {}
    secrets = (secret for name in names if (secret := snapshot.get(Secret, *name)) is not None)
    stores: tuple[Secret | Kept, ...] = (*snapshot.all(Kept), *secrets)
    for kept in stores:
        found = memo.of(("acme", kept.metadata.key), (kept,), partial(_read, kept), diagnostics)
        certificates.update(found.certificates)
        challenges.update(found.challenges)
    return Stored(certificates, challenges)


def _read(kept: Secret | Kept, _: Diagnostics) -> Stored:
    return stored_in(kept.data)


def _placed(
    ref: ObjectRef, hosts: tuple[str, ...], memo: Memo, diagnostics: Diagnostics
) -> tuple[tuple[KongRoute, KongService], ...]:
    if not hosts:
        return ()
    return (memo.of(("acme", "route"), ("\n".join(hosts), ref.name), lambda _: _own_route(ref, hosts), diagnostics),)


def _own_route(ref: ObjectRef, hosts: tuple[str, ...]) -> tuple[KongRoute, KongService]:
    origin = Origin(ref, "config.domains")
    service = KongService(_NAME, entity_id("service", _NAME), Cluster(_NAME, Discovery.STATIC, (), origin))
    route = KongRoute(
        _NAME,
        entity_id("route", _NAME),
        KongBackend("", IngressServiceBackend(_NAME), origin),
        (KongPath(PathMatchKind.PREFIX, CHALLENGES),),
        origin,
        created="",
        hosts=hosts,
        protocols=("http",),
        is_plain_only=True,
    )
    return route, service


def _tell_plain(ref: ObjectRef, diagnostics: Diagnostics) -> None:
    diagnostics.warning(
        ref,
        "acme.no-tls",
        "the gateway listens nowhere with TLS",
        effect="no certificate is asked for",
        hint="let proxy_listen have an address with ssl (--https-port of `crossfade gateway run`)",
    )


def _tell(ref: ObjectRef, hosts: Hosts, diagnostics: Diagnostics) -> None:
    if hosts.unknown:
        diagnostics.note(
            ref,
            "acme.hosts-unknown",
            f"routes stand for names that nobody can know before they are asked for: {_some(hosts.unknown)}",
            effect="certificates are asked for the hosts that routes and domains name",
            hint="write the names into domains, or into rules of an Ingress",
            field="config.domains",
        )
    if hosts.addresses:
        diagnostics.warning(
            ref,
            "acme.address",
            f"{_some(hosts.addresses)} is an address, and clients ask for names of servers only",
            effect="no certificate is asked for it",
            hint="remove it, or give ssl_cert a certificate for it",
            field="config.domains",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
