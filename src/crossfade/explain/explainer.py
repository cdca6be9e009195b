"""Answers questions about requests from one compiled state, by the policy module that serves."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from crossfade.compile.diagnostics import Diagnostic
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.compile.gateway.criteria import compared
from crossfade.compile.gateway.state import KongRoute, KongService
from crossfade.compile.model import Listener, ProxyModel
from crossfade.compile.routing import tables
from crossfade.envoy.shards import TableTexts
from crossfade.explain.listening import picked_chain
from crossfade.explain.mesh import mesh_found
from crossfade.explain.model import (
    AnswerFound,
    Decided,
    Explanation,
    ListenerFound,
    MeshFound,
    Near,
    PluginFound,
    RouteFound,
    ServiceFound,
)
from crossfade.explain.origins import attached_by, kong_of
from crossfade.explain.outcome import answer_of, forwarded_of
from crossfade.explain.services import service_found
from crossfade.policy_module.library import Tables
from crossfade.policy_module.rehearsal import Matched, Question, Rehearsal, TakingPart
from crossfade_kube.meta import ObjectRef


class Explainer:
    """Made once for a state, asked as often as one likes; not by two threads at once."""

    def __init__(self, compiled: CompiledGateway) -> None:
        gateway = compiled.model.gateway or tables.GatewayTables(tables.Settings("kong-3", ""))
        self._model = compiled.model
        self._diagnostics = compiled.diagnostics
        self._routes = {row.value.id: row for row in gateway.routes}
        self._instances = {row.value.id: row for row in gateway.instances}
        self._clusters = {cluster.name: cluster for cluster in compiled.model.clusters}
        self._kong = kong_of(compiled.entities)
        self._groups = _carried_by_groups(gateway)
        self._mesh = gateway.mesh
        self._tables = _tables_of(gateway)

    def explain(self, question: Question, url: str) -> Explanation:
        """Raises ValueError for a request that holds half a character."""
        found = self._tables.rehearse(question)
        row = self._routes[found.route.id] if found.route else None
        service = self._service(row.value) if row else None
        plugins = tuple(self._plugins(found, row.value)) if row else ()
        forwarded = forwarded_of(question, found)
        answer = answer_of(found, question, row.value if row else None, plugins)
        if forwarded is not None and service is not None and not service.endpoints:
            without = found.without_endpoint
            why = f"{service.object} has no endpoint"
            answer, forwarded = AnswerFound(without.status, "the gateway", why, body=without.message), None
        return Explanation(
            method=question.method,
            url=url,
            listener=_listener(self._model, question),
            route=self._route(found.route) if found.route else None,
            runner_up=self._route(found.runner_up) if found.runner_up else None,
            decided=_decided(found),
            nearest=tuple(Near(self._described(each.id), each.fails) for each in found.nearest),
            service=service,
            plugins=plugins,
            answer=answer,
            forwarded=forwarded,
            mesh=self._mesh_found(row.value, found) if row is not None and forwarded is not None else None,
            diagnostics=tuple(self._concerned(found)),
        )

    def route_found(self, route_id: str) -> RouteFound | None:
        """None for one that is no longer there."""
        return self._described(route_id) if route_id in self._routes else None

    def service_of(self, route_id: str) -> ServiceFound | None:
        row = self._routes.get(route_id)
        return None if row is None else self._service(row.value)

    def plugins_met(self, route_id: str, instances: Sequence[str]) -> tuple[PluginFound, ...]:
        """Those that a request on that route has met, in that order, and then those that it has not."""
        row = self._routes.get(route_id)
        if row is None:
            return ()
        by_instance = {one.instance: step.order for step in row.value.steps for one in step.candidates}
        met = [TakingPart(by_instance.get(one, -1), one, "ran") for one in instances if one in self._instances]
        last = max((one.order for one in met), default=-1)
        ahead = [step for step in row.value.steps if step.order > last and not step.candidates[0].for_carriers]
        missed = [TakingPart(step.order, step.candidates[0].instance, "may-run") for step in ahead]
        return tuple(self._found_part(one, row.value) for one in (*met, *missed) if one.instance in self._instances)

    def _mesh_found(self, route: tables.Route, found: Rehearsal) -> MeshFound | None:
        if route.mesh is UNSET or found.upstream is None:
            return None
        return mesh_found(self._mesh[route.mesh], found.upstream.headers)

    def _route(self, matched: Matched) -> RouteFound:
        paths = self._routes[matched.id].value.match.paths
        path = next((path for path in paths if path.rank == matched.rank), None)
        return self._described(matched.id, path)

    def _described(self, route_id: str, path: tables.PathMatch | None = None) -> RouteFound:
        row, (kong, _) = self._routes[route_id], self._kong[route_id]
        match = row.value.match
        shown = (path,) if path is not None else match.paths
        return RouteFound(
            id=route_id,
            name=kong.name,
            object=str(row.origin.ref),
            field=row.origin.path,
            path_kind=", ".join(dict.fromkeys(each.kind for each in shown)),
            path=", ".join(each.text for each in shown),
            hosts=match.hosts,
            methods=match.methods,
            headers=tuple(f"{each.name}: {' or '.join(each.values)}" for each in match.headers),
            snis=match.snis,
            protocols=kong.protocols,
        )

    def _service(self, route: tables.Route) -> ServiceFound:
        _, service = self._kong[route.id]
        return service_found(service, self._clusters.get(service.cluster.name, service.cluster))

    def _plugins(self, found: Rehearsal, route: tables.Route) -> Iterable[PluginFound]:
        return (self._found_part(each, route) for each in found.plugins)

    def _found_part(self, part: TakingPart, route: tables.Route) -> PluginFound:
        row = self._instances[part.instance]
        origin = attached_by(route, self._kong[route.id], part, self._groups)
        return PluginFound(row.value.plugin, str(row.origin.ref), origin, part.part)

    def _concerned(self, found: Rehearsal) -> Iterable[Diagnostic]:
        """About the route, its service, and the plugins that they refer to."""
        if found.route is None:
            return []
        kong, service = self._kong[found.route.id]
        refs = {kong.origin.ref[:4], service.cluster.origin.ref[:4], *_referred(kong, service)}
        refs |= {self._instances[each.instance].origin.ref[:4] for each in found.plugins}
        return [each for each in self._diagnostics if each.ref[:4] in refs]


def _referred(kong: KongRoute, service: KongService) -> Iterable[tuple[str, str, str, str]]:
    """KongPlugins and KongClusterPlugins of those names, whether they exist or not."""
    for plugin in (*kong.plugins, *service.plugins):
        version = "configuration.konghq.com/v1"
        yield version, "KongPlugin", plugin.referrer.namespace, plugin.name
        yield version, "KongClusterPlugin", "", plugin.name


def _tables_of(gateway: tables.GatewayTables) -> Tables:
    """Of the very texts that Envoy is given."""
    *shards, root = [msgspec.json.decode(text.content) for text in TableTexts().of(gateway)]
    return Tables(root["settings"], shards)


def _carried_by_groups(gateway: tables.GatewayTables) -> dict[str, ObjectRef]:
    """Instances that follow members wherever they go."""
    return {own.instance: row.origin.ref for row in gateway.consumer_groups for own in row.value.own}


def _decided(found: Rehearsal) -> Decided | None:
    if found.route is None or found.runner_up is None:
        return None
    *equal, last = compared(found.route.rank, found.runner_up.rank)
    return Decided(
        criterion=last.criterion.name,
        says=last.criterion.says,
        winner=last.shown(last.winner),
        runner_up=last.shown(last.runner_up),
        equal=tuple(each.criterion.name for each in equal),
    )


def _listener(model: ProxyModel, question: Question) -> ListenerFound | None:
    name = "https" if question.is_tls else "http"
    listener = next((each for each in model.listeners if each.name == name), None)
    if listener is None:
        return None
    secret = _certificate(listener, question.sni or "") if question.is_tls else ""
    return ListenerFound(listener.name, listener.address, listener.port, secret)


def _certificate(listener: Listener, server_name: str) -> str:
    chain = picked_chain(listener, server_name)
    return str(chain.origin.ref) if chain is not None and chain.origin is not None else ""
