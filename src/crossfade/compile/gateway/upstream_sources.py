"""What is said of a Service's upstream, by whom: its KongUpstreamPolicy before its KongIngress (kong.md §1.6, §1.7)."""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from crossfade.api.bounds import Bounds, Misfit
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.upstream import (
    Healthchecks,
    KongUpstreamPolicySpec,
    PolicyHash,
    PolicyPassive,
    StickySessions,
    UpstreamEntity,
)
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.compile.diagnostics import Diagnostics
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_DEFAULTS: Final = "the field is ignored, as if it were not there"
_POLICY_FIELDS: Final = {
    "algorithm": "algorithm",
    "slots": "slots",
    "hash_on": "hashOn",
    "hash_fallback": "hashOnFallback",
    "hash_on_header": "hashOn.header",
    "hash_fallback_header": "hashOnFallback.header",
    "hash_on_cookie": "hashOn.cookie",
    "hash_on_cookie_path": "hashOn.cookiePath",
    "hash_on_query_arg": "hashOn.queryArg",
    "hash_fallback_query_arg": "hashOnFallback.queryArg",
    "hash_on_uri_capture": "hashOn.uriCapture",
    "hash_fallback_uri_capture": "hashOnFallback.uriCapture",
}


class Source(NamedTuple):
    """`path` gives the JSON path within the object of a field of the entity (`healthchecks.active.http_path`)."""

    ref: ObjectRef
    entity: UpstreamEntity
    path: Callable[[str], str]
    sticky: StickySessions | None = None


class Sources(Struct, frozen=True):
    """In order of precedence, field by field; `healthchecks` is one field."""

    sources: tuple[Source, ...]
    diagnostics: Diagnostics

    def get(self, name: str) -> Any:
        """None where nobody says anything."""
        return next((value for one in self.sources if (value := getattr(one.entity, name)) is not None), None)

    def healthchecks(self) -> Healthchecks:
        return self.get("healthchecks") or Healthchecks()

    def sticky(self) -> StickySessions | None:
        return next((one.sticky for one in self.sources if one.sticky is not None), None)

    def number(self, name: str, value: int | None, bounds: Bounds, default: int) -> int:
        """`value` is that of the field, the default when absent or out of bounds, which is told."""
        if value is None:
            return default
        checked = bounds.check(value)
        if isinstance(checked, Misfit):
            self.refuse(name, str(checked), effect=_DEFAULTS, hint="give a whole number within the bounds")
            return default
        return checked

    def refuse(self, name: str, problem: str, *, effect: str = _DEFAULTS, hint: str) -> None:
        """To whoever says the field."""
        owner = self._owner(name)
        field = owner.path(name)
        self.diagnostics.error(owner.ref, "upstream.invalid", problem, effect=effect, hint=hint, field=field)

    def warn(self, name: str, problem: str, *, effect: str, hint: str) -> None:
        owner = self._owner(name)
        field = owner.path(name)
        self.diagnostics.warning(owner.ref, "upstream.no-effect", problem, effect=effect, hint=hint, field=field)

    def _owner(self, name: str) -> Source:
        head = name.partition(".")[0]
        said = (one for one in self.sources if getattr(one.entity, head, one.sticky) is not None)
        return next(said, self.sources[0])


def sources_of(
    policy: KongUpstreamPolicy | None, override: KongIngress | None, diagnostics: Diagnostics
) -> Sources | None:
    """None where nothing is said."""
    found = []
    if policy is not None and not _told_problems(policy, diagnostics):
        spec = policy.spec
        found.append(Source(typed_ref(policy), _entity_of(spec), _path_in_policy, spec.sticky_sessions))
    if override is not None and override.upstream is not None:
        found.append(Source(typed_ref(override), override.upstream, "upstream.{}".format))
    return Sources(tuple(found), diagnostics) if found else None


def _path_in_policy(name: str) -> str:
    return f"spec.{_POLICY_FIELDS.get(name) or _camel(name)}"


def _camel(text: str) -> str:
    head, *rest = text.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _entity_of(spec: KongUpstreamPolicySpec) -> UpstreamEntity:
    on, fallback = spec.hash_on, spec.hash_on_fallback
    checks = spec.healthchecks
    return UpstreamEntity(
        algorithm=spec.algorithm,
        slots=spec.slots,
        hash_on=_kind_of(on),
        hash_fallback=_kind_of(fallback),
        hash_on_header=on.header,
        hash_fallback_header=fallback.header,
        hash_on_cookie=on.cookie if on.cookie is not None else fallback.cookie,
        hash_on_cookie_path=on.cookie_path if on.cookie_path is not None else fallback.cookie_path,
        hash_on_query_arg=on.query_arg,
        hash_fallback_query_arg=fallback.query_arg,
        hash_on_uri_capture=on.uri_capture,
        hash_fallback_uri_capture=fallback.uri_capture,
        healthchecks=None if checks is None else msgspec.convert(checks, Healthchecks, from_attributes=True),
    )


def _kind_of(given: PolicyHash) -> str | None:
    named = (("header", given.header), ("cookie", given.cookie), ("query_arg", given.query_arg))
    parametrised = (*named, ("uri_capture", given.uri_capture))
    return given.input or next((kind for kind, name in parametrised if name is not None), None)


# --- what an API server refuses --------------------------------------------------------------------------------


def _told_problems(policy: KongUpstreamPolicy, diagnostics: Diagnostics) -> bool:
    problems = list(policy_problems(policy.spec))
    for field, problem in problems:
        diagnostics.error(
            typed_ref(policy),
            "upstream-policy.invalid",
            problem,
            effect="the policy has no effect",
            hint="correct the field",
            field=field,
        )
    return bool(problems)


def policy_problems(spec: KongUpstreamPolicySpec) -> Iterator[tuple[str, str]]:
    """Field and text of each rule of Kong's definition that does not hold (kong.md §1.7)."""
    on, checks = spec.hash_on, spec.healthchecks
    if _inputs(on) > 1:
        yield "spec.hashOn", "Only one of spec.hashOn.(input|cookie|header|uriCapture|queryArg) can be set."
    if on.cookie is not None and on.cookie_path is None:
        yield "spec.hashOn.cookie", "When spec.hashOn.cookie is set, spec.hashOn.cookiePath is required."
    if on.cookie_path is not None and on.cookie is None:
        yield "spec.hashOn.cookiePath", "When spec.hashOn.cookiePath is set, spec.hashOn.cookie is required."
    if on != PolicyHash() and spec.algorithm not in ("consistent-hashing", "sticky-sessions"):
        text = "spec.algorithm must be set to either 'consistent-hashing' or 'sticky-sessions' when spec.hashOn is set."
        yield "spec.algorithm", text
    yield from _fallback_problems(spec)
    passive = (checks.passive if checks else None) or PolicyPassive()
    for name, part in (("healthy", passive.healthy), ("unhealthy", passive.unhealthy)):
        if part is not None and part.interval is not None:
            field = f"spec.healthchecks.passive.{name}.interval"
            yield field, f"{field} must not be set."
    if spec.sticky_sessions is not None:
        yield from _sticky_problems(spec, spec.sticky_sessions)


def _fallback_problems(spec: KongUpstreamPolicySpec) -> Iterator[tuple[str, str]]:
    fallback = spec.hash_on_fallback
    if fallback == PolicyHash():
        return
    if _inputs(fallback) > 1:
        yield "spec.hashOnFallback", "Only one of spec.hashOnFallback.(input|header|uriCapture|queryArg) can be set."
    if spec.algorithm != "consistent-hashing":
        text = 'spec.algorithm must be set to "consistent-hashing" when spec.hashOnFallback is set.'
        yield "spec.hashOnFallback", text
    if spec.hash_on.cookie is not None:
        yield "spec.hashOnFallback", "spec.hashOnFallback must not be set when spec.hashOn.cookie is set."


def _sticky_problems(spec: KongUpstreamPolicySpec, sticky: StickySessions) -> Iterator[tuple[str, str]]:
    if spec.hash_on != PolicyHash(input="none"):
        rule = "spec.hashOn.input must be set to 'none' (no other hash_on fields allowed)."
        yield "spec.hashOn", f"When spec.stickySessions is set, {rule}"
    if not sticky.cookie:
        text = "spec.stickySessions.cookie is required when spec.stickySessions is set."
        yield "spec.stickySessions.cookie", text
    if spec.algorithm != "sticky-sessions":
        text = "spec.algorithm must be set to 'sticky-sessions' when spec.stickySessions is set."
        yield "spec.algorithm", text


def _inputs(given: PolicyHash) -> int:
    named = (given.input, given.cookie, given.header, given.uri_capture, given.query_arg)
    return sum(one is not None for one in named)
