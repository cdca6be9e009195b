"""What a pod asks of its node: the sums that scheduling, quotas, limits and autoscaling agree on; pure."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.quantity import QuantityError, parse
from crossfade_local.values.fields import mapping, objects, text

Amounts = dict[str, Fraction]

_NOTHING: Final = Fraction(0)


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
