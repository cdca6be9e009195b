"""An Ingress's KongIngress and annotations → the properties of its routes (kong.md §1.6, §2)."""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct

from crossfade.api.kong.ingress import KongIngress, KongIngressRoute
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.paths import REGEX_PREFIX, regex_problem
from crossfade.compile.gateway.state import PluginRef
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_METHOD: Final = re.compile(r"[A-Z]+")
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(\.\*)?")
_PROTOCOLS: Final = ("http", "https", "grpc", "grpcs")
_REDIRECT_CODES: Final = (426, 301, 302, 307, 308)
_WITHOUT_EFFECT: Final = (
    "konghq.com/snis",
    "konghq.com/rewrite",
    "konghq.com/response-buffering",
)
CASELESS_REGEX: Final = "~*"

HeaderValues: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]


class RouteOptions(Struct, frozen=True):
    """`headers` is None when they cannot be matched: then the Ingress must take no request at all."""

    protocols: tuple[str, ...] = ("http", "https")
    https_redirect_status_code: int = 426
    strip_path: bool = False
    preserve_host: bool = True
    regex_priority: int = 0
    request_buffering: bool = True
    methods: tuple[str, ...] = ()
    headers: HeaderValues | None = ()
    host_aliases: tuple[str, ...] = ()
    regex_prefix: str = REGEX_PREFIX
    plugins: tuple[PluginRef, ...] = ()


def route_options(ingress: Ingress, snapshot: Snapshot, diagnostics: Diagnostics) -> RouteOptions:
    """The KongIngress first, annotations over it."""
    ref = typed_ref(ingress)
    noted, old = notes.modernised(ingress.metadata.annotations)
    for key in old:
        diagnostics.warning(
            ref,
            "annotation.deprecated",
            f"annotation {key} is an old name of {notes.LEGACY_KEYS[key]}",
            hint=f"rename it to {notes.LEGACY_KEYS[key]}",
            field=f"metadata.annotations[{key}]",
        )
    for key in _WITHOUT_EFFECT:
        if key in noted:
            _no_effect(diagnostics, ref, key)
    if noted.get("konghq.com/path-handling", "v0") != "v0":
        _no_effect(diagnostics, ref, "konghq.com/path-handling")
    override = _override(ingress, noted, snapshot, diagnostics)
    protocols, code = _protocols(ref, noted, override, diagnostics)
    return RouteOptions(
        protocols=protocols,
        https_redirect_status_code=code,
        strip_path=_first(notes.boolean(noted, "konghq.com/strip-path"), override.strip_path, default=False),
        preserve_host=_first(notes.boolean(noted, "konghq.com/preserve-host"), override.preserve_host, default=True),
        request_buffering=_first(
            notes.boolean(noted, "konghq.com/request-buffering"), override.request_buffering, default=True
        ),
        regex_priority=notes.integer(noted, "konghq.com/regex-priority") or override.regex_priority or 0,
        methods=_methods(notes.list_of(noted, "konghq.com/methods")) or _methods(override.methods),
        headers=_headers(ref, noted, override, diagnostics),
        host_aliases=_host_aliases(notes.list_of(noted, "konghq.com/host-aliases")),
        regex_prefix=noted.get("konghq.com/regex-prefix") or REGEX_PREFIX,
        plugins=tuple(PluginRef(name, ref) for name in notes.list_of(noted, notes.PLUGINS)),
    )


def _override(
    ingress: Ingress, noted: notes.Annotations, snapshot: Snapshot, diagnostics: Diagnostics
) -> KongIngressRoute:
    """Without a usable annotation Kong 1.0 took the KongIngress that has the Ingress's own name."""
    meta = ingress.metadata
    name = noted.get(notes.OVERRIDE)
    found = snapshot.get(KongIngress, meta.namespace, name) if name else None
    if name and found is None:
        diagnostics.warning(
            typed_ref(ingress),
            "ingress.override-not-found",
            f"KongIngress {meta.namespace}/{name} not found",
            effect="the Ingress is used without its overrides until it exists",
            hint=f"create KongIngress {meta.namespace}/{name} or remove the annotation",
            field=f"metadata.annotations[{notes.OVERRIDE}]",
        )
    found = found or snapshot.get(KongIngress, meta.namespace, meta.name)
    return (found.route if found else None) or KongIngressRoute()


def _protocols(
    ref: ObjectRef, noted: notes.Annotations, override: KongIngressRoute, diagnostics: Diagnostics
) -> tuple[tuple[str, ...], int]:
    protocols = _known_protocols(override.protocols) or ("http", "https")
    code = override.https_redirect_status_code
    if notes.boolean(noted, notes.FORCE_SSL_REDIRECT):
        protocols, code = tuple({"http": "https", "grpc": "grpcs"}.get(item, item) for item in protocols), 302
        protocols = tuple(dict.fromkeys(protocols))
    wanted = notes.list_of(noted, "konghq.com/protocols")
    foreign = [item for item in wanted if item not in _PROTOCOLS]
    if foreign:
        diagnostics.error(
            ref,
            "ingress.invalid-protocols",
            f"invalid konghq.com/protocols value: {foreign[0]}",
            effect="the annotation is ignored",
            hint=f"use {', '.join(_PROTOCOLS)}",
            field="metadata.annotations[konghq.com/protocols]",
        )
    noted_code = notes.integer(noted, "konghq.com/https-redirect-status-code")
    code = noted_code if noted_code in _REDIRECT_CODES else code
    return (wanted if wanted and not foreign else protocols), code if code in _REDIRECT_CODES and code else 426


def _headers(
    ref: ObjectRef, noted: notes.Annotations, override: KongIngressRoute, diagnostics: Diagnostics
) -> HeaderValues | None:
    separator = noted.get("konghq.com/headers-separator") or ","
    found = {name: tuple(values) for name, values in override.headers.items()}
    for key in noted:
        if key.startswith(notes.HEADERS_PREFIX):
            found[key.removeprefix(notes.HEADERS_PREFIX)] = notes.list_of(noted, key, separator=separator)
    broken = [_header_problem(ref, name, values, diagnostics) for name, values in sorted(found.items())]
    if any(broken):
        return None
    return tuple(sorted((name, values) for name, values in found.items() if name and values))


def _header_problem(ref: ObjectRef, name: str, values: tuple[str, ...], diagnostics: Diagnostics) -> bool:
    patterns = [value.removeprefix(CASELESS_REGEX) for value in values if value.startswith(CASELESS_REGEX)]
    problems = [problem for problem in map(regex_problem, patterns) if problem is not None]
    for problem in problems:
        diagnostics.error(
            ref,
            "ingress.invalid-header-regex",
            f"header {name}: {problem}",
            effect="the routes of this Ingress match no request",
            hint="use the RE2 syntax, without look-around and back-references",
            field=f"metadata.annotations[{notes.HEADERS_PREFIX}{name}]",
        )
    return bool(problems)


def _no_effect(diagnostics: Diagnostics, ref: ObjectRef, key: str) -> None:
    diagnostics.error(
        ref,
        "ingress.unsupported-annotation",
        f"annotation {key} is not supported",
        effect="the annotation has no effect",
        hint="remove the annotation",
        field=f"metadata.annotations[{key}]",
    )


def _methods(given: Iterable[str]) -> tuple[str, ...]:
    """One wrong name discards the whole list, as on Kong."""
    methods = tuple(item.strip().upper() for item in given)
    return tuple(sorted(set(methods))) if all(_METHOD.fullmatch(item) for item in methods) else ()


def _host_aliases(given: tuple[str, ...]) -> tuple[str, ...]:
    return given if all(_HOST.fullmatch(item) for item in given) else ()


def _known_protocols(given: tuple[str, ...]) -> tuple[str, ...]:
    kinds = {item for item in given if item in _PROTOCOLS}
    if kinds & {"http", "https"} and kinds & {"grpc", "grpcs"}:
        return ("http", "https")
    return tuple(item for item in _PROTOCOLS if item in kinds)


def _first(*values: bool | None, default: bool) -> bool:
    return next((value for value in values if value is not None), default)
