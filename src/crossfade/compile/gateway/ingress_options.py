"""An Ingress's KongIngress and annotations → the properties of its routes (kong.md §1.6, §2)."""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from crossfade.api.bounds import STATUS_CODE, Bounds, Misfit, header_name
from crossfade.api.kong.ingress import KongIngress, KongIngressRoute
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.annotation_table import INGRESS_WITHOUT_EFFECT
from crossfade.compile.gateway.paths import REGEX_PREFIX
from crossfade.compile.gateway.state import PluginRef
from crossfade.policy_module import library
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_METHOD: Final = re.compile(r"[A-Z]+")
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(\.\*)?")
_PROTOCOLS: Final = ("http", "https", "grpc", "grpcs")
_REDIRECT_CODES: Final = (426, 301, 302, 307, 308)
# Wider than any order that somebody could mean; leaves room for the arithmetic of ranks.
REGEX_PRIORITY: Final = Bounds(-(1 << 62), 1 << 62)
CASELESS_REGEX: Final = "~*"

HeaderValues: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]


class RouteOptions(Struct, frozen=True, gc=False):
    """`headers` is None when they cannot be matched: then the Ingress must take no request at all."""

    protocols: tuple[str, ...] = ("http", "https")
    https_redirect_status_code: int = 426
    strip_path: bool = False
    preserve_host: bool = True
    regex_priority: int = 0
    request_buffering: bool = True
    methods: tuple[str, ...] = ()
    snis: tuple[str, ...] = ()
    headers: HeaderValues | None = ()
    host_aliases: tuple[str, ...] = ()
    regex_prefix: str = REGEX_PREFIX
    plugins: tuple[PluginRef, ...] = ()


def route_options(ingress: Ingress, snapshot: Snapshot, diagnostics: Diagnostics) -> RouteOptions:
    """The KongIngress first, annotations over it."""
    ref = typed_ref(ingress)
    reader = notes.Reader(ref, ingress.metadata.annotations, diagnostics)
    noted = reader.noted
    reader.tell_unsupported(INGRESS_WITHOUT_EFFECT)
    reader.tell_unknown()
    if noted.get("konghq.com/path-handling", "v0") != "v0":
        reader.tell_unsupported(("konghq.com/path-handling",))
    if reader.flag("konghq.com/response-buffering") is False:
        reader.tell_unsupported(("konghq.com/response-buffering",))
    override = _override(ingress, noted, snapshot, diagnostics)
    protocols, code = _protocols(reader, ref, override, diagnostics)
    return RouteOptions(
        protocols=protocols,
        https_redirect_status_code=code,
        strip_path=_first(reader.flag("konghq.com/strip-path"), override.strip_path, default=False),
        preserve_host=_first(reader.flag("konghq.com/preserve-host"), override.preserve_host, default=True),
        request_buffering=_first(reader.flag("konghq.com/request-buffering"), override.request_buffering, default=True),
        regex_priority=reader.integer("konghq.com/regex-priority", REGEX_PRIORITY) or override.regex_priority or 0,
        methods=_noted_methods(reader) or _methods(override.methods),
        snis=notes.list_of(noted, "konghq.com/snis") if "konghq.com/snis" in noted else override.snis,
        headers=_headers(ref, noted, override, diagnostics),
        host_aliases=_host_aliases(reader),
        regex_prefix=noted.get("konghq.com/regex-prefix") or REGEX_PREFIX,
        plugins=tuple(PluginRef(name, ref) for name in notes.list_of(noted, notes.PLUGINS)),
    )


def override_of(ingress: Ingress, snapshot: Snapshot) -> KongIngress | None:
    """Without a usable annotation Kong 1.0 took the KongIngress that has the Ingress's own name."""
    meta = ingress.metadata
    name = notes.modernised(meta.annotations)[0].get(notes.OVERRIDE)
    found = snapshot.get(KongIngress, meta.namespace, name) if name else None
    return found or snapshot.get(KongIngress, meta.namespace, meta.name)


def _override(
    ingress: Ingress, noted: notes.Annotations, snapshot: Snapshot, diagnostics: Diagnostics
) -> KongIngressRoute:
    meta = ingress.metadata
    name = noted.get(notes.OVERRIDE)
    if name and snapshot.get(KongIngress, meta.namespace, name) is None:
        diagnostics.warning(
            typed_ref(ingress),
            "ingress.override-not-found",
            f"KongIngress {meta.namespace}/{name} not found",
            effect="the Ingress is used without its overrides until it exists",
            hint=f"create KongIngress {meta.namespace}/{name} or remove the annotation",
            field=f"metadata.annotations[{notes.OVERRIDE}]",
        )
    found = override_of(ingress, snapshot)
    if found is None or found.route is None:
        return KongIngressRoute()
    return _usable(found.route, typed_ref(found), diagnostics)


def _usable(route: KongIngressRoute, ref: ObjectRef, diagnostics: Diagnostics) -> KongIngressRoute:
    """Without what cannot be carried out."""
    fixed = (
        ("path_handling", "v0", route.path_handling in (None, "v0")),
        ("response_buffering", "true", route.response_buffering is not False),
    )
    for name, value, is_heeded in fixed:
        if is_heeded:
            continue
        diagnostics.error(
            ref,
            "kongingress.unsupported-route",
            f"it can only be {value} in this gateway",
            effect="the field has no effect",
            hint="remove the field",
            field=f"route.{name}",
        )
    priority = REGEX_PRIORITY.check(route.regex_priority or 0)
    if not isinstance(priority, Misfit):
        return route
    diagnostics.error(
        ref,
        "kongingress.out-of-bounds",
        f"route.regex_priority: {priority}",
        effect="the field is ignored, as if it were not there",
        hint="give a whole number within the bounds",
        field="route.regex_priority",
    )
    return replace(route, regex_priority=None)


def _protocols(
    reader: notes.Reader, ref: ObjectRef, override: KongIngressRoute, diagnostics: Diagnostics
) -> tuple[tuple[str, ...], int]:
    noted = reader.noted
    protocols = _known_protocols(override.protocols) or ("http", "https")
    code = override.https_redirect_status_code
    if reader.flag(notes.FORCE_SSL_REDIRECT):
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
    noted_code = reader.integer("konghq.com/https-redirect-status-code", STATUS_CODE)
    if noted_code is not None and noted_code not in _REDIRECT_CODES:
        codes = ", ".join(map(str, sorted(_REDIRECT_CODES)))
        reader.tell_invalid("konghq.com/https-redirect-status-code", "no answer has it", f"use one of {codes}")
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
    for name in (name for name, values in found.items() if not name or not values):
        diagnostics.error(
            ref,
            "ingress.empty-header",
            f"header {name or 'without a name'}: there is nothing to compare with",
            effect="the routes match requests with any value of it, and without it",
            hint=f"write {notes.HEADERS_PREFIX}NAME: VALUE",
            field=f"metadata.annotations[{notes.HEADERS_PREFIX}{name}]",
        )
    broken = [_header_problem(ref, name, values, diagnostics) for name, values in sorted(found.items())]
    if any(broken):
        return None
    return tuple(sorted((name, values) for name, values in found.items() if name and values))


def _header_problem(ref: ObjectRef, name: str, values: tuple[str, ...], diagnostics: Diagnostics) -> bool:
    named = header_name(name) if name else name
    problems = [str(named)] if isinstance(named, Misfit) else []
    problems += [problem for value in values if (problem := library.problem("header", value)) is not None]
    for problem in problems:
        diagnostics.error(
            ref,
            "ingress.invalid-header",
            f"header {name}: {problem}",
            effect="the routes of this Ingress match no request",
            hint="use the syntax of Rust's regexes, without look-around and back-references",
            field=f"metadata.annotations[{notes.HEADERS_PREFIX}{name}]",
        )
    return bool(problems)


def _noted_methods(reader: notes.Reader) -> tuple[str, ...]:
    key = "konghq.com/methods"
    given = notes.list_of(reader.noted, key)
    methods = _methods(given)
    if given and not methods:
        reader.tell_invalid(key, "a method has letters only; one wrong name discards all", "name methods like GET,POST")
    return methods


def _methods(given: Iterable[str]) -> tuple[str, ...]:
    """One wrong name discards the whole list, as on Kong."""
    methods = tuple(item.strip().upper() for item in given)
    return tuple(sorted(set(methods))) if all(_METHOD.fullmatch(item) for item in methods) else ()


def _host_aliases(reader: notes.Reader) -> tuple[str, ...]:
    """One wrong name discards the whole list, as on Kong."""
    key = "konghq.com/host-aliases"
    given = notes.list_of(reader.noted, key)
    wrong = [item for item in given if not _HOST.fullmatch(item)]
    if wrong:
        reader.tell_invalid(key, f"{wrong[0]!r} is no host", "give host names, *.suffix or prefix.*")
    return () if wrong else given


def _known_protocols(given: tuple[str, ...]) -> tuple[str, ...]:
    kinds = {item for item in given if item in _PROTOCOLS}
    if kinds & {"http", "https"} and kinds & {"grpc", "grpcs"}:
        return ("http", "https")
    return tuple(item for item in _PROTOCOLS if item in kinds)


def _first(*values: bool | None, default: bool) -> bool:
    return next((value for value in values if value is not None), default)
