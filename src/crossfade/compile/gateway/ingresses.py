"""Ingresses → Kong routes: one for each Ingress, host, Service and port, with all its paths (kong.md §3.1)."""

from collections.abc import Iterator
from typing import NamedTuple

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.ingress_options import RouteOptions, route_options
from crossfade.compile.gateway.paths import kong_paths, regex_problem
from crossfade.compile.gateway.services import ServiceResolver
from crossfade.compile.gateway.state import KongPath, KongRoute, PathKind
from crossfade.compile.model import Origin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import HttpIngressPath, Ingress, IngressBackend
from crossfade_kube.registry import typed_ref


class _Rule(NamedTuple):
    """One path of one rule; `field` is its place in the Ingress."""

    host: str
    path: HttpIngressPath
    field: str


def kong_routes(
    ingresses: list[Ingress],
    snapshot: Snapshot,
    resolver: ServiceResolver,
    diagnostics: Diagnostics,
    *,
    detects_regex: bool,
) -> list[KongRoute]:
    """`ingresses` are those of our class; `detects_regex` is Kong 2's heuristic for paths."""
    routes: list[KongRoute] = []
    default_owner = _default_backend_owner(ingresses)
    for ingress in ingresses:
        options = route_options(ingress, snapshot, diagnostics)
        if options.headers is None:
            continue
        routes += _rule_routes(ingress, options, resolver, diagnostics, detects_regex=detects_regex)
        if ingress is default_owner:
            routes += _default_route(ingress, options, resolver)
        elif ingress.spec.default_backend is not None and default_owner is not None:
            diagnostics.warning(
                typed_ref(ingress),
                "ingress.default-backend-taken",
                f"the default backend of {typed_ref(default_owner)} is older",
                effect="this default backend has no effect",
                field="spec.defaultBackend",
            )
    return routes


def _rule_routes(
    ingress: Ingress,
    options: RouteOptions,
    resolver: ServiceResolver,
    diagnostics: Diagnostics,
    *,
    detects_regex: bool,
) -> Iterator[KongRoute]:
    ref, meta = typed_ref(ingress), ingress.metadata
    grouped: dict[tuple[str, str, str], list[_Rule]] = {}
    for rule in _rules(ingress):
        backend = rule.path.backend.service
        if backend is None:
            _refuse_resource(rule.path.backend, Origin(ref, rule.field), rule.path.path, diagnostics)
            continue
        port = backend.port.name or str(backend.port.number)
        grouped.setdefault((backend.name, rule.host, port), []).append(rule)
    for (service_name, host, port), rules in grouped.items():
        backend = rules[0].path.backend.service
        origin = Origin(ref, rules[0].field)
        if backend is None:
            continue
        service = resolver.resolve(meta.namespace, backend, Origin(ref, f"{origin.path}.backend.service"))
        name = f"{meta.namespace}.{meta.name}.{service_name}.{host.replace('*', '_')}.{port}"
        paths = [
            path
            for rule in rules
            for path in _usable_paths(rule, ingress, options, diagnostics, detects_regex=detects_regex)
        ]
        if paths:
            hosts = (*((host,) if host else ()), *options.host_aliases)
            yield _route(name, service.name, dict.fromkeys(paths), origin, ingress, options, hosts=hosts)


def _usable_paths(
    rule: _Rule, ingress: Ingress, options: RouteOptions, diagnostics: Diagnostics, *, detects_regex: bool
) -> Iterator[KongPath]:
    paths = kong_paths(
        rule.path.path,
        rule.path.path_type,
        regex_prefix=options.regex_prefix,
        detects_regex=detects_regex,
    )
    for path in paths:
        problem = regex_problem(path.text) if path.kind is PathKind.REGEX else None
        if problem is None:
            yield path
        else:
            diagnostics.error(
                typed_ref(ingress),
                "ingress.invalid-regex",
                f"path {rule.path.path!r} is not a usable regular expression: {problem}",
                effect="this path matches no request",
                hint="use the RE2 syntax, without look-around and back-references",
                field=f"{rule.field}.path",
            )


def _route(
    name: str,
    service: str,
    paths: dict[KongPath, None],
    origin: Origin,
    ingress: Ingress,
    options: RouteOptions,
    *,
    hosts: tuple[str, ...] = (),
    is_default_backend: bool = False,
) -> KongRoute:
    return KongRoute(
        name=name,
        id=entity_id("route", name),
        service=service,
        paths=tuple(paths),
        origin=origin,
        created=ingress.metadata.creation_timestamp,
        hosts=hosts,
        methods=options.methods,
        headers=options.headers or (),
        protocols=options.protocols,
        strip_path=options.strip_path,
        preserve_host=options.preserve_host,
        regex_priority=options.regex_priority,
        request_buffering=options.request_buffering,
        https_redirect_status_code=options.https_redirect_status_code,
        is_default_backend=is_default_backend,
        plugins=options.plugins,
    )


def _default_route(ingress: Ingress, options: RouteOptions, resolver: ServiceResolver) -> Iterator[KongRoute]:
    backend = ingress.spec.default_backend
    if backend is None or backend.service is None:
        return
    origin = Origin(typed_ref(ingress), "spec.defaultBackend")
    meta = ingress.metadata
    service = resolver.resolve(meta.namespace, backend.service, origin)
    path = {KongPath(PathKind.PLAIN, "/"): None}
    yield _route(f"{meta.namespace}.{meta.name}", service.name, path, origin, ingress, options, is_default_backend=True)


def _default_backend_owner(ingresses: list[Ingress]) -> Ingress | None:
    """Only the oldest default backend of the cluster counts."""
    owners = [ingress for ingress in ingresses if ingress.spec.default_backend and ingress.spec.default_backend.service]
    return min(owners, key=lambda item: (item.metadata.creation_timestamp, item.metadata.key), default=None)


def _rules(ingress: Ingress) -> Iterator[_Rule]:
    for i, rule in enumerate(ingress.spec.rules):
        for j, path in enumerate(rule.http.paths if rule.http else ()):
            yield _Rule(rule.host, path, f"spec.rules[{i}].http.paths[{j}]")


def _refuse_resource(backend: IngressBackend, origin: Origin, path: str, diagnostics: Diagnostics) -> None:
    kind = f"{backend.resource.api_group or ''}/{backend.resource.kind}" if backend.resource else "none"
    diagnostics.error(
        origin.ref,
        "ingress.unsupported-backend",
        f'failed to get backend for ingress path "{path}": unknown resource type {kind}',
        effect="this path matches no request",
        hint="name a Service",
        field=f"{origin.path}.backend.resource",
    )
