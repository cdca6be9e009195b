"""Plugin objects → where each applies and with which precedence (kong.md §4.1, §4.3).

What cannot be applied is never left out: a route that would miss a policy is closed (503), a consumer that would
escape one is unknown. So it is for a plugin object that does not exist, unless the settings say otherwise; Kong passes
it over. A global plugin that cannot be applied closes all routes that no nearer one of its name covers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from msgspec import Struct

from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.plugin import AnyKongPlugin, KongClusterPlugin, KongPlugin
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.authorities import Authorities
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.consumer_groups import ConsumerGroup
from crossfade.compile.gateway.consumers import Consumer
from crossfade.compile.gateway.grants import grants_of
from crossfade.compile.gateway.ids import counter_scope
from crossfade.compile.gateway.plugin_instances import Protos, plugin_instances, shown
from crossfade.compile.gateway.route_policies import (
    RANK_GLOBAL,
    RANK_ROUTE,
    RANK_ROUTE_CONSUMER,
    RANK_ROUTE_GROUP,
    RANK_SERVICE,
    RANK_SERVICE_CONSUMER,
    RANK_SERVICE_GROUP,
    Attached,
    Instance,
    tell_unlisted,
)
from crossfade.compile.gateway.state import KongRoute, KongService, PluginRef, StreamRoute
from crossfade.compile.gateway.vaults import Vaults
from crossfade.compile.memo import Memo
from crossfade.compile.policies.registry import ORDER
from crossfade.compile.routing import tables
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import NamespacedName, ObjectRef

_FIELD: Final = "metadata.annotations[konghq.com/plugins]"
_ROUTES_CLOSED: Final = "requests to the routes concerned are answered 503"
_CONSUMER_UNKNOWN: Final = "the consumer's credentials are not accepted"
_CLOSING_EFFECTS: Final = {
    KongConsumer.RESOURCE.kind: _CONSUMER_UNKNOWN,
    TcpIngress.RESOURCE.kind: "its connections are closed",
    UdpIngress.RESOURCE.kind: "its datagrams are dropped",
    KongConsumerGroup.RESOURCE.kind: "the credentials of the group's members are not accepted",
}


class _Ranks(NamedTuple):
    """Of what is attached at one kind of place."""

    with_consumer: int
    with_group: int
    alone: int


_ROUTE_RANKS: Final = _Ranks(RANK_ROUTE_CONSUMER, RANK_ROUTE_GROUP, RANK_ROUTE)
_SERVICE_RANKS: Final = _Ranks(RANK_SERVICE_CONSUMER, RANK_SERVICE_GROUP, RANK_SERVICE)


class ConsumerPolicy(Struct, frozen=True):
    """Of a consumer or a group; with a `refusal` it must not be known, lest it escapes a policy that it carries."""

    carries: tuple[str, ...] = ()
    own: tuple[tables.OwnInstance, ...] = ()
    refusal: str | None = None


class Attachments:
    """All plugins of one snapshot, resolved; asked for each route and each consumer."""

    def __init__(
        self,
        snapshot: Snapshot,
        classes: ClassFilter,
        memo: Memo,
        diagnostics: Diagnostics,
        *,
        referrers: Iterable[KongRoute | KongService | StreamRoute],
        consumers: Sequence[Consumer],
        groups: Sequence[ConsumerGroup],
        vaults: Vaults,
        authorities: Authorities,
        protos: Protos,
        serves_without_missing: bool = False,
    ) -> None:
        self._snapshot = snapshot
        self._memo = memo
        self._diagnostics = diagnostics
        self._serves_without_missing = serves_without_missing
        self._instances = plugin_instances(snapshot, classes, vaults, authorities, protos, memo, diagnostics)
        self._referrers = tuple(referrers)
        self._stand_ins: dict[tuple[str, str], Instance] = {}
        self._grants = grants_of(snapshot, memo, diagnostics)
        self._resolved: dict[tuple[PluginRef, ...], tuple[Instance, ...]] = {}
        self._consumers = consumers
        inputs = ((consumer,) for consumer in consumers)
        shared = (self._instances, self._grants, serves_without_missing)
        self._carried_by = memo.each("carried", inputs, shared, self._carried_of, diagnostics)
        self._carried = {instance.ref for carried in self._carried_by for instance in carried}
        self._groups = groups
        inputs_of_groups = ((group,) for group in groups)
        self._carried_by_groups = memo.each(
            "carried by groups",
            inputs_of_groups,
            (self._instances, serves_without_missing),
            self._carried_of,
            diagnostics,
        )
        self._carried_in_groups = {instance.ref for carried in self._carried_by_groups for instance in carried}
        self._used_by_traffic = frozenset(
            instance.ref for referrer in self._referrers for instance in self._resolve(referrer.plugins, diagnostics)
        )
        everywhere = self._globals(classes)
        self._global = [one for one in everywhere if one.instance.is_for_http]
        self._global_of_streams = [one.instance for one in everywhere]

    def instances(self) -> list[Instance]:
        """Those that run in the policy module, ordered."""
        return self._memo.of("module instances", (self._instances,), self._in_module, self._diagnostics)

    def _in_module(self, _: Diagnostics) -> list[Instance]:
        accepted = (one for one in self._instances.values() if one is not None and one.module_config is not None)
        used = (one for one in accepted if one.is_for_http or one.counts_sessions)
        return sorted(used, key=lambda instance: instance.id)

    def at(self, route: KongRoute, service: KongService) -> tuple[Attached, ...]:
        """Everything that may run on this route."""
        return (*self._at_route(route), *self._at_service(service), *self._global)

    def of_stream(self, route: StreamRoute, service: KongService) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
        """What the route itself refers to, and what is attached to its Service or to everything."""
        around = self._resolve(service.plugins, self._diagnostics)
        return self._resolve(route.plugins, self._diagnostics), (*around, *self._global_of_streams)

    def of_route(self, route: KongRoute) -> list[Attached]:
        """What its own annotation attaches."""
        return self._at_route(route)

    def of_service(self, service: KongService) -> list[Attached]:
        """What its own annotation attaches."""
        return self._at_service(service)

    @property
    def of_all(self) -> list[Attached]:
        """What runs on all requests."""
        return self._global

    def global_instance(self, plugin: str) -> Instance | None:
        """Of this plugin, the one that runs on all requests."""
        return next((item.instance for item in self._global if item.instance.plugin == plugin), None)

    def has_any(self, plugin: str) -> bool:
        """Whether one of this plugin may run anywhere."""
        return any(one.plugin == plugin for one in self.instances())

    def written(self, ref: ObjectRef) -> AnyKongPlugin | None:
        """The object as its author wrote it."""
        if ref.namespace:
            return self._snapshot.get(KongPlugin, ref.namespace, ref.name)
        return self._snapshot.get(KongClusterPlugin, "", ref.name)

    def everywhere(self) -> tuple[str, ...]:
        """Ids of the global instances in the module, in the order of plugins."""
        found = [item.instance for item in self._global if item.instance.module_config is not None]
        return tuple(instance.id for instance in sorted(found, key=lambda one: ORDER[one.plugin]))

    @property
    def used_by_traffic(self) -> frozenset[ObjectRef]:
        """What routes or services refer to."""
        return self._used_by_traffic

    def of_consumers(self) -> Iterator[tuple[Consumer, tuple[Instance, ...]]]:
        """Each with what it carries."""
        return zip(self._consumers, self._carried_by, strict=True)

    def of_groups(self) -> Iterator[tuple[ConsumerGroup, tuple[Instance, ...]]]:
        """Each with what it carries."""
        return zip(self._groups, self._carried_by_groups, strict=True)

    @cached_property
    def carried_by_consumers(self) -> frozenset[ObjectRef]:
        """Of what groups carry: what does not apply to them, since single consumers carry it too (R-14)."""
        return frozenset(self._carried & self._carried_in_groups)

    @cached_property
    def refused_groups(self) -> Mapping[str, ObjectRef]:
        """By id, the groups whose members must not be known."""
        policies = ((group, self._policy(self._of_group(carried))) for group, carried in self.of_groups())
        return {group.id: group.ref for group, policy in policies if policy.refusal is not None}

    def policy_of(self, consumer: Consumer, carried: tuple[Instance, ...], diagnostics: Diagnostics) -> ConsumerPolicy:
        refused = [self.refused_groups[one] for one in consumer.consumer_groups if one in self.refused_groups]
        for group in refused:
            diagnostics.error(
                consumer.ref,
                "consumer.group-refused",
                f"a plugin of {group} cannot be applied",
                effect=_CONSUMER_UNKNOWN,
                hint="correct the plugin that the group's condition names, or leave the group",
                field="consumerGroups",
            )
        if refused or not consumer.has_all_groups:
            return ConsumerPolicy(refusal="the plugins of its groups cannot be applied")
        return self._told(carried, diagnostics)

    def policy_of_group(
        self, group: ConsumerGroup, carried: tuple[Instance, ...], diagnostics: Diagnostics
    ) -> ConsumerPolicy:
        for instance in carried:
            if instance.ref in self.carried_by_consumers:
                diagnostics.warning(
                    group.ref,
                    "consumer-group.plugin-of-consumers",
                    f"{instance.ref} is attached to single consumers too",
                    effect="it applies to those consumers only, not to the group",
                    hint="give the group a plugin object of its own",
                    field=_FIELD,
                )
        return self._told(self._of_group(carried), diagnostics)

    def _of_group(self, carried: tuple[Instance, ...]) -> tuple[Instance, ...]:
        return tuple(item for item in carried if item.ref not in self.carried_by_consumers)

    def _told(self, carried: tuple[Instance, ...], diagnostics: Diagnostics) -> ConsumerPolicy:
        policy = self._policy(carried)
        own = {item.instance for item in policy.own}
        for item in carried:
            if item.protocols and item.id in own:
                tell_unlisted(item, self.protocols_of_routes, diagnostics)
        return policy

    def _policy(self, carried: tuple[Instance, ...]) -> ConsumerPolicy:
        """Plugins that follow a consumer wherever it goes are those that no route or service refers to (R-14)."""
        own = [item for item in carried if item.ref not in self._used_by_traffic]
        broken = [item for item in own if item.accepted is None]
        if broken:
            return ConsumerPolicy(refusal=broken[0].trouble)
        scope = counter_scope()
        return ConsumerPolicy(
            tuple(item.id for item in carried if item.ref in self._used_by_traffic),
            tuple(tables.OwnInstance(ORDER[item.plugin], item.id, scope) for item in own),
        )

    @cached_property
    def protocols_of_routes(self) -> frozenset[str]:
        return frozenset(name for one in self._referrers if isinstance(one, KongRoute) for name in one.protocols)

    def _at_route(self, route: KongRoute) -> list[Attached]:
        return self._attached(route.plugins, counter_scope(route_id=route.id), _ROUTE_RANKS)

    def _at_service(self, service: KongService) -> list[Attached]:
        return self._attached(service.plugins, counter_scope(service_id=service.id), _SERVICE_RANKS)

    def _attached(self, refs: tuple[PluginRef, ...], scope: str, ranks: _Ranks) -> list[Attached]:
        return [
            Attached(instance, self._rank(instance, ranks), scope, for_carriers=self._is_for_carriers(instance))
            for instance in self._resolve(refs, self._diagnostics)
            if instance.is_for_http and not self._is_global_only(instance, refs[0].referrer)
        ]

    def _is_global_only(self, instance: Instance, referrer: ObjectRef) -> bool:
        """Kong takes nothing at all while such a plugin is attached to a route or a service."""
        if instance.accepted is None or not instance.accepted.plugin.is_global_only:
            return False
        self._diagnostics.error(
            referrer,
            "plugin.global-only",
            f"plugin {instance.plugin} ({instance.ref}) cannot be attached to a route or a service",
            effect="the reference has no effect",
            hint='give a KongClusterPlugin the label global: "true", and remove the name from the annotation',
            field=_FIELD,
        )
        return True

    def _is_for_carriers(self, instance: Instance) -> bool:
        return instance.ref in self._carried or instance.ref in self._carried_in_groups

    def _rank(self, instance: Instance, ranks: _Ranks) -> int:
        if instance.ref in self._carried:
            return ranks.with_consumer
        return ranks.with_group if instance.ref in self._carried_in_groups else ranks.alone

    def _carried_of(self, carrier: Consumer | ConsumerGroup, diagnostics: Diagnostics) -> tuple[Instance, ...]:
        """What a consumer or group refers to, without the plugins that Kong refuses there."""
        carried = []
        what = "consumer" if isinstance(carrier, Consumer) else "consumer-group"
        for instance in self._resolve(carrier.plugins, diagnostics):
            if not instance.is_for_http:
                continue
            if instance.accepted is not None and not instance.accepted.plugin.takes_consumer:
                diagnostics.error(
                    carrier.ref,
                    f"{what}.plugin-without-consumer",
                    f"plugin {instance.plugin} ({instance.ref}) cannot be attached to a {what.replace('-', ' ')}",
                    effect=f"the {what.replace('-', ' ')}'s reference has no effect",
                    hint="attach it to an Ingress or a Service",
                    field=_FIELD,
                )
            else:
                carried.append(instance)
        return tuple(carried)

    def _resolve(self, refs: tuple[PluginRef, ...], diagnostics: Diagnostics) -> tuple[Instance, ...]:
        """One instance for each plugin name: the first in the annotation's order. Those for streams only are apart."""
        if refs not in self._resolved:
            by_name: dict[tuple[str, bool], Instance] = {}
            for ref in refs:
                instance = self._look_up(ref, diagnostics)
                if instance is None:
                    continue
                first = by_name.setdefault((instance.plugin, instance.is_for_http), instance)
                if first is not instance:
                    diagnostics.error(
                        ref.referrer,
                        "plugin.duplicate",
                        f"{first.ref} and {instance.ref} both configure plugin {instance.plugin}",
                        effect=f"{instance.ref} is not applied here",
                        hint="refer to one of them",
                        field=_FIELD,
                    )
            self._resolved[refs] = tuple(by_name.values())
            self._tell_refused(refs, self._resolved[refs], diagnostics)
        return self._resolved[refs]

    def _tell_refused(
        self, refs: tuple[PluginRef, ...], instances: tuple[Instance, ...], diagnostics: Diagnostics
    ) -> None:
        for instance in instances:
            if instance.accepted is None and self._instances.get(_key(instance.ref)) is instance:
                referrer = refs[0].referrer
                diagnostics.error(
                    referrer,
                    "plugin.refused-here",
                    instance.trouble,
                    effect=_closing_effect(referrer),
                    hint=f"correct {instance.ref} or remove it from the annotation",
                    field=_FIELD,
                )

    def _look_up(self, ref: PluginRef, diagnostics: Diagnostics) -> Instance | None:
        """KongPlugin of the referrer's or the named namespace, else KongClusterPlugin; None when nothing is to run."""
        namespace, _, name = ref.name.rpartition(":")
        if ":" in ref.name and (not namespace or not name):
            return self._miss(ref, ref.name, diagnostics)
        key = NamespacedName(namespace or ref.referrer.namespace, name)
        if not self._grants.allow(ref.referrer, key):
            return self._refuse(ref, key, diagnostics)
        for known in (key, NamespacedName("", name)):
            if known in self._instances:
                return self._instances[known]
        return self._miss(ref, name, diagnostics, namespace=key.namespace)

    def _miss(
        self, ref: PluginRef, name: str, diagnostics: Diagnostics, *, namespace: str | None = None
    ) -> Instance | None:
        """None where requests are to be served without it."""
        problem = f'referenced KongPlugin or KongClusterPlugin "{name}" does not exist'
        wanted = str(NamespacedName(ref.referrer.namespace if namespace is None else namespace, name))
        hint = f"create KongPlugin {wanted} or a KongClusterPlugin of the gateway's class, or remove the name"
        if self._serves_without_missing:
            effect = "requests are served without it"
            diagnostics.warning(ref.referrer, "plugin.not-found", problem, effect=effect, hint=hint, field=_FIELD)
            return None
        effect = f"{_closing_effect(ref.referrer)}; Kong would pass over it, as the setting missing plugins: open does"
        diagnostics.error(ref.referrer, "plugin.not-found", problem, effect=effect, hint=hint, field=_FIELD)

        return self._stand_in(wanted, f"plugin {shown(name)} does not exist")

    def _refuse(self, ref: PluginRef, plugin: NamespacedName, diagnostics: Diagnostics) -> Instance:
        diagnostics.error(
            ref.referrer,
            "plugin.remote",
            f'no grant found to referenced "{ref.name}" plugin in the requested remote KongPlugin bind',
            effect=_closing_effect(ref.referrer),
            hint=f"create a ReferenceGrant in namespace {plugin.namespace} from {ref.referrer.kind} of namespace"
            f" {ref.referrer.namespace} to KongPlugin, or copy the plugin",
            field=_FIELD,
        )
        # Not under the plugin's own name: who may not refer to it must not decide where it applies.
        wanted = f"{ref.referrer.namespace}/{ref.name}"
        return self._stand_in(wanted, f"plugin {shown(plugin.name)} of another namespace is not granted")

    def _stand_in(self, wanted: str, trouble: str) -> Instance:
        """In place of a plugin that must not run. Each needs its own: it is what a route remembers."""

        def make(_: Diagnostics) -> Instance:
            namespace, name = wanted.split("/", 1)
            missing = ObjectRef(KongPlugin.RESOURCE.api_version, "KongPlugin", namespace, name)
            # No plugin has such a name: it must not count as another configuration of one that is there.
            return Instance(missing, wanted, None, trouble)

        key = (wanted, trouble)
        if key not in self._stand_ins:
            self._stand_ins[key] = self._memo.of(("stand-in", key), (), make, self._diagnostics)
        return self._stand_ins[key]

    def _globals(self, classes: ClassFilter) -> list[Attached]:
        """Of several global objects for one plugin the oldest applies."""
        found: dict[tuple[str, bool], Attached] = {}
        items = [item for item in self._snapshot.all(KongClusterPlugin) if item.is_global]
        for item in sorted(items, key=lambda each: each.metadata.age):
            instance = self._instances.get(item.metadata.key) if classes.takes(item.metadata) else None
            if instance is None:
                continue
            attached = Attached(instance, RANK_GLOBAL, counter_scope())
            first = found.setdefault((instance.plugin, instance.is_for_http), attached)
            if first.instance is not instance:
                self._diagnostics.error(
                    instance.ref,
                    "plugin.duplicate-global",
                    f"{first.instance.ref} already configures plugin {instance.plugin} for all requests",
                    effect="this object is not applied to all requests",
                    hint="keep one of them",
                    field="metadata.labels.global",
                )
        return list(found.values())


def _closing_effect(referrer: ObjectRef) -> str:
    return _CLOSING_EFFECTS.get(referrer.kind, _ROUTES_CLOSED)


def _key(ref: ObjectRef) -> NamespacedName:
    return NamespacedName(ref.namespace, ref.name)
