"""What a pod asks of its node: the sums that scheduling, quotas, limits and autoscaling agree on; pure."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.quantity import QuantityError, canonical, parse
from crossfade_local.values.fields import mapping, objects, text

Amounts = dict[str, Fraction]

_NOTHING: Final = Fraction(0)
_SIZES: Final = frozenset({"memory", "ephemeral-storage", "storage"})
_OF_QOS: Final = ("cpu", "memory")


@lru_cache(maxsize=4096)
def _parsed(value: str) -> Fraction:
    try:
        return parse(value)
    except QuantityError:
        return _NOTHING


def amount(value: Any) -> Fraction:
    """What is no quantity counts as nothing: admission has refused it, unless it came into the store before."""
    return _parsed(str(value))


def amounts(values: JsonObject) -> Amounts:
    return {name: amount(value) for name, value in values.items()}


def add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, _NOTHING) + value


def raise_to(total: Amounts, least: Amounts) -> None:
    for name, value in least.items():
        if value > total.get(name, _NOTHING):
            total[name] = value


def containers_of(spec: JsonObject) -> Iterator[JsonObject]:
    """Init containers too."""
    yield from objects(spec, "initContainers")
    yield from objects(spec, "containers")


def pod_amounts(pod: JsonObject, kind: str) -> Amounts:
    """The sum of `requests` or `limits`: containers and sidecars together, or more where an init container needs more
    while it runs; what the pod says for itself goes before that; its overhead comes on top.

    As `resourcehelper.PodRequests` of Kubernetes counts.
    """
    spec = mapping(pod, "spec")
    total: Amounts = {}
    for container in objects(spec, "containers"):
        add(total, amounts(mapping(container, "resources", kind)))
    raise_to(total, _before_start(spec, kind, total))
    total |= amounts(mapping(spec, "resources", kind))
    overhead = amounts(mapping(spec, "overhead"))
    if kind == "limits":
        # Who has no limit is not given one by its overhead.
        overhead = {name: value for name, value in overhead.items() if total.get(name)}
    add(total, overhead)
    return total


def _before_start(spec: JsonObject, kind: str, total: Amounts) -> Amounts:
    """The most that init containers need at a time; sidecars, which stay, are added to `total`."""
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in objects(spec, "initContainers"):
        own = amounts(mapping(container, "resources", kind))
        if text(container, "restartPolicy") == "Always":
            add(total, own)
            add(sidecars, own)
            own = dict(sidecars)
        else:
            add(own, sidecars)
        raise_to(most, own)
    return most


def sum_of(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        add(total, part)
    return total


def qos_class(pod: JsonObject) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`: by what its containers ask for, or the pod itself."""
    spec = mapping(pod, "spec")
    holders = [spec] if mapping(spec, "resources") else list(containers_of(spec))
    limits = [_counted(holder, "limits") for holder in holders]
    requests = [_counted(holder, "requests") or limit for holder, limit in zip(holders, limits, strict=True)]
    if not any(requests):
        return "BestEffort"
    is_bounded = all(len(limit) == len(_OF_QOS) for limit in limits)
    return "Guaranteed" if is_bounded and sum_of(requests) == sum_of(limits) else "Burstable"


def _counted(holder: JsonObject, kind: str) -> Amounts:
    """Zero counts as not asked for."""
    asked = amounts(mapping(holder, "resources", kind))
    return {name: value for name, value in asked.items() if name in _OF_QOS and value}


def spelled(name: str, value: Fraction) -> str:
    """As quantities of that resource are usually written: sizes in Ki, Mi, Gi where they come out even."""
    if name.rpartition(".")[2] in _SIZES and value.denominator == 1 and value % 1024 == 0 and value:
        return str(canonical(f"{value.numerator // 1024}Ki"))
    return str(canonical(f"{-(-value.numerator * 10**9 // value.denominator)}n"))
