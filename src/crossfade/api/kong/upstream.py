"""Kong's upstream entity: how requests are spread over a Service's endpoints, and which endpoints count (kong.md §3.7).

A KongIngress writes it as it is, a KongUpstreamPolicy in Kubernetes' spelling.
"""

from msgspec import Struct, field


class HealthyChecks(Struct, frozen=True):
    """`interval` in seconds, of active checks only; None is Kong's default."""

    http_statuses: tuple[int, ...] | None = None
    interval: int | None = None
    successes: int | None = None


class UnhealthyChecks(Struct, frozen=True):
    """As `HealthyChecks`; 0 failures of a kind: that kind does not count."""

    http_failures: int | None = None
    http_statuses: tuple[int, ...] | None = None
    interval: int | None = None
    tcp_failures: int | None = None
    timeouts: int | None = None


class ActiveChecks(Struct, frozen=True):
    """`timeout` in seconds."""

    type: str | None = None
    concurrency: int | None = None
    timeout: int | None = None
    http_path: str | None = None
    https_sni: str | None = None
    https_verify_certificate: bool | None = None
    headers: dict[str, tuple[str, ...]] | None = None
    healthy: HealthyChecks | None = None
    unhealthy: UnhealthyChecks | None = None


class PassiveChecks(Struct, frozen=True):
    type: str | None = None
    healthy: HealthyChecks | None = None
    unhealthy: UnhealthyChecks | None = None


class Healthchecks(Struct, frozen=True):
    """`threshold` in percent."""

    active: ActiveChecks | None = None
    passive: PassiveChecks | None = None
    threshold: float | None = None


class UpstreamEntity(Struct, frozen=True):
    """`None` leaves a property as other objects and Kong's defaults have it."""

    host_header: str | None = None
    algorithm: str | None = None
    slots: int | None = None
    hash_on: str | None = None
    hash_fallback: str | None = None
    hash_on_header: str | None = None
    hash_fallback_header: str | None = None
    hash_on_cookie: str | None = None
    hash_on_cookie_path: str | None = None
    hash_on_query_arg: str | None = None
    hash_fallback_query_arg: str | None = None
    hash_on_uri_capture: str | None = None
    hash_fallback_uri_capture: str | None = None
    healthchecks: Healthchecks | None = None


class StickySessions(Struct, frozen=True, rename="camel"):
    cookie: str = ""
    cookie_path: str | None = None


class PolicyHash(Struct, frozen=True, rename="camel"):
    """At most one input is given; a cookie has a path."""

    input: str | None = None
    header: str | None = None
    cookie: str | None = None
    cookie_path: str | None = None
    query_arg: str | None = None
    uri_capture: str | None = None


class PolicyHealthy(Struct, frozen=True, rename="camel"):
    http_statuses: tuple[int, ...] | None = None
    interval: int | None = None
    successes: int | None = None


class PolicyUnhealthy(Struct, frozen=True, rename="camel"):
    http_failures: int | None = None
    http_statuses: tuple[int, ...] | None = None
    interval: int | None = None
    tcp_failures: int | None = None
    timeouts: int | None = None


class PolicyActive(Struct, frozen=True, rename="camel"):
    type: str | None = None
    concurrency: int | None = None
    timeout: int | None = None
    http_path: str | None = None
    https_sni: str | None = None
    https_verify_certificate: bool | None = None
    headers: dict[str, tuple[str, ...]] | None = None
    healthy: PolicyHealthy | None = None
    unhealthy: PolicyUnhealthy | None = None


class PolicyPassive(Struct, frozen=True, rename="camel"):
    type: str | None = None
    healthy: PolicyHealthy | None = None
    unhealthy: PolicyUnhealthy | None = None


class PolicyHealthchecks(Struct, frozen=True, rename="camel"):
    active: PolicyActive | None = None
    passive: PolicyPassive | None = None
    threshold: int | None = None


class KongUpstreamPolicySpec(Struct, frozen=True, rename="camel"):
    """The same things as in `UpstreamEntity`, and sticky sessions."""

    algorithm: str | None = None
    slots: int | None = None
    hash_on: PolicyHash = field(default_factory=PolicyHash)
    hash_on_fallback: PolicyHash = field(default_factory=PolicyHash)
    healthchecks: PolicyHealthchecks | None = None
    sticky_sessions: StickySessions | None = None
