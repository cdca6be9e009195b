"""Ingresses → Kong routes: one for each Ingress, host, Service and port, with all its paths (kong.md §3.1)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade.api.kong.service_facade import FACADE_GROUP
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.ingress_options import RouteOptions, override_of, route_options
from crossfade.compile.gateway.paths import kong_paths, looks_like_regex, merged_slashes
from crossfade.compile.gateway.state import KongBackend, KongPath, KongRoute, port_text
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.policy_module import library
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import HttpIngressPath, Ingress, IngressBackend, IngressServiceBackend
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_DEFAULT_BACKEND: Final = "spec.defaultBackend"


class _Rule(NamedTuple):
    """One path of one rule; `field` is its place in the Ingress."""

    host: str
    path: HttpIngressPath
    field: str


class _Reading(NamedTuple):
    """One Ingress while its routes are made."""

    ingress: Ingress
    options: RouteOptions
    diagnostics: Diagnostics
    detects_regex: bool


def kong_routes(
    ingresses: list[Ingress], snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics, *, detects_regex: bool
) -> list[KongRoute]:
    """`ingresses` are those of our class; `detects_regex` is Kong 2's heuristic for paths."""
    routes: list[KongRoute] = []
    owner = _default_backend_owner(ingresses, snapshot)
    owner_ref = typed_ref(owner) if owner else None
    for ingress in ingresses:
        inputs = (
            ingress,
            override_of(ingress, snapshot),
            detects_regex,
            owner if ingress.spec.default_backend else None,
        )

        def make(found: Diagnostics, ingress: Ingress = ingress) -> tuple[KongRoute, ...]:
            return isolated(
                lambda: _routes(ingress, snapshot, owner_ref, found, detects_regex=detects_regex),
                otherwise=(),
                ref=typed_ref(ingress),
                effect="the routes of this Ingress match no request",
                diagnostics=found,
            )

        routes += memo.of(("ingress", ingress.metadata.key), inputs, make, diagnostics)
    return routes


def _routes(
    ingress: Ingress,
    snapshot: Snapshot,
    default_owner: ObjectRef | None,
    diagnostics: Diagnostics,
    *,
    detects_regex: bool,
) -> tuple[KongRoute, ...]:
    options = route_options(ingress, snapshot, diagnostics)
    if options.headers is None:
        return ()
    reading = _Reading(ingress, options, diagnostics, detects_regex)
    routes = list(_rule_routes(reading))
    if default_owner == typed_ref(ingress):
        routes += _default_route(reading)
    elif ingress.spec.default_backend is not None and default_owner is not None:
        diagnostics.warning(
            typed_ref(ingress),
            "ingress.default-backend-taken",
            f"the default backend of {default_owner} is older",
            effect="this default backend has no effect",
            field="spec.defaultBackend",
        )
    return tuple(routes)


def _rule_routes(reading: _Reading) -> Iterator[KongRoute]:
    ref, meta = typed_ref(reading.ingress), reading.ingress.metadata
    grouped: dict[tuple[str, str], list[tuple[KongBackend, _Rule]]] = {}
    for rule in _rules(reading.ingress):
        backend = kong_backend(rule.path.backend, meta.namespace, Origin(ref, f"{rule.field}.backend"))
        if backend is None:
            _refuse_resource(rule.path.backend, Origin(ref, rule.field), rule.path.path, reading.diagnostics)
            continue
        grouped.setdefault((backend.name, rule.host), []).append((backend, rule))
    for (_, host), found in grouped.items():
        backend, first = found[0]
        paths = [path for _, rule in found for path in _usable_paths(rule, reading)]
        hosts = _usable_hosts(first, reading)
        if paths and hosts is not None:
            name = _route_name(f"{meta.namespace}.{meta.name}", backend, host.replace("*", "_"))
            yield _route(name, backend, dict.fromkeys(paths), Origin(ref, first.field), reading, hosts=hosts)


def kong_backend(given: IngressBackend, namespace: str, origin: Origin) -> KongBackend | None:
    """None where it is neither a Service nor a KongServiceFacade."""
    resource = given.resource
    if given.service is not None:
        field = origin.path if origin.path == _DEFAULT_BACKEND else f"{origin.path}.service"
        return KongBackend(namespace, given.service, Origin(origin.ref, field))
    if resource is None or (resource.api_group, resource.kind) != (FACADE_GROUP, "KongServiceFacade"):
        return None
    place = Origin(origin.ref, f"{origin.path}.resource")
    return KongBackend(namespace, IngressServiceBackend(""), place, facade=resource.name)


def _route_name(ingress: str, backend: KongBackend, host: str) -> str:
    """As the ingress controller's (kong.md §3.1)."""
    if backend.facade:
        return f"{ingress}.{host}.{backend.facade}.svc.facade"
    return f"{ingress}.{backend.service.name}.{host}.{port_text(backend.service)}"


def _usable_hosts(rule: _Rule, reading: _Reading) -> tuple[str, ...] | None:
    """None when no host is left: without any, the rule would take every host's requests."""
    given = (*((rule.host,) if rule.host else ()), *reading.options.host_aliases)
    usable = []
    for host in given:
        problem = library.problem("host", host)
        if problem is None:
            usable.append(host)
            continue
        reading.diagnostics.error(
            typed_ref(reading.ingress),
            "ingress.invalid-host",
            problem,
            effect="the rule matches no request for this host",
            hint="give a host name, *.suffix or prefix.*",
            field=rule.field.partition(".http")[0] + ".host",
        )
    return tuple(usable) if usable or not given else None


def _usable_paths(rule: _Rule, reading: _Reading) -> Iterator[KongPath]:
    paths = kong_paths(
        rule.path.path,
        rule.path.path_type,
        regex_prefix=reading.options.regex_prefix,
        detects_regex=reading.detects_regex,
    )
    problems = [_path_problem(path, rule.path.path) for path in paths]
    if not any(problems) and all(path.is_generated or path.kind is not PathMatchKind.REGEX for path in paths):
        _tell_if_regex(rule, reading)
    for path, problem in zip(paths, problems, strict=True):
        if problem is None:
            yield path
        else:
            reading.diagnostics.error(
                typed_ref(reading.ingress),
                "ingress.invalid-path",
                f"path {rule.path.path!r} cannot be used: {problem}",
                effect="this path matches no request",
                hint="write plain paths in their normal form, from a slash on; regexes have Rust's syntax, without"
                " look-around and back-references",
                field=f"{rule.field}.path",
            )


def _tell_if_regex(rule: _Rule, reading: _Reading) -> None:
    """A path that is taken as it is written, and was hardly meant so."""
    written, prefix = rule.path.path, reading.options.regex_prefix
    # `/~user` is a path like any other.
    if not looks_like_regex(written) and not written.startswith(f"{prefix}/"):
        return
    pattern = written if written.startswith(prefix) else f"{prefix}{written}"
    reading.diagnostics.warning(
        typed_ref(reading.ingress),
        "ingress.path-like-regex",
        f"path {written!r} of type {rule.path.path_type} looks like a regex and is none",
        effect="it matches only requests whose path has these very characters",
        hint=f"for a regex write {pattern!r} with pathType ImplementationSpecific",
        field=f"{rule.field}.path",
    )


def _path_problem(path: KongPath, written: str) -> str | None:
    """A plain path is compared with the normal form of the request's, so it must be one (kong.md §3.3)."""
    if path.kind is PathMatchKind.REGEX and not path.is_generated:
        return library.problem("regex", path.text)
    if not path.text.startswith("/"):
        return "every request's path begins with a slash"
    not_normal = library.problem("path", merged_slashes(written) or "/")
    return not_normal or (library.problem("regex", path.text) if path.kind is PathMatchKind.REGEX else None)


def _route(
    name: str,
    backend: KongBackend,
    paths: dict[KongPath, None],
    origin: Origin,
    reading: _Reading,
    *,
    hosts: tuple[str, ...] = (),
    is_default_backend: bool = False,
) -> KongRoute:
    options = reading.options
    return KongRoute(
        name=name,
        id=entity_id("route", name),
        backend=backend,
        paths=tuple(paths),
        origin=origin,
        created=reading.ingress.metadata.creation_timestamp,
        hosts=hosts,
        methods=options.methods,
        snis=options.snis,
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


def _default_route(reading: _Reading) -> Iterator[KongRoute]:
    given, meta = reading.ingress.spec.default_backend, reading.ingress.metadata
    origin = Origin(typed_ref(reading.ingress), _DEFAULT_BACKEND)
    backend = kong_backend(given, meta.namespace, origin) if given else None
    if backend is None:
        return
    path = {KongPath(PathMatchKind.PREFIX, "/"): None}
    yield _route(f"{meta.namespace}.{meta.name}", backend, path, origin, reading, is_default_backend=True)


def _default_backend_owner(ingresses: list[Ingress], snapshot: Snapshot) -> Ingress | None:
    """Only the oldest default backend of the cluster counts, of Ingresses that can take a request at all."""
    owners = [
        ingress
        for ingress in ingresses
        if (given := ingress.spec.default_backend)
        and kong_backend(given, "", Origin(typed_ref(ingress), _DEFAULT_BACKEND))
        and _can_match(ingress, snapshot)
    ]
    return min(owners, key=lambda item: item.metadata.age, default=None)


def _can_match(ingress: Ingress, snapshot: Snapshot) -> bool:
    """What is wrong is told when its routes are made."""

    def ask() -> bool:
        return route_options(ingress, snapshot, Diagnostics()).headers is not None

    return isolated(ask, otherwise=False, ref=typed_ref(ingress), effect="", diagnostics=Diagnostics())


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
        hint="name a Service or a KongServiceFacade",
        field=f"{origin.path}.backend.resource",
    )
