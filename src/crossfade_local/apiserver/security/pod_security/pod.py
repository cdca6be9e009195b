"""The parts of a pod that checks look at, and how they name them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.values.fields import mapping, objects, text

_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


class Violation(NamedTuple):
    reason: str
    detail: str


class Pod(NamedTuple):
    """Metadata and spec of a pod or of a template."""

    metadata: JsonObject
    spec: JsonObject

    @property
    def containers(self) -> Iterator[JsonObject]:
        for key in _CONTAINERS:
            yield from objects(self.spec, key)

    @property
    def security(self) -> JsonObject:
        return mapping(self.spec, "securityContext")

    @property
    def annotations(self) -> JsonObject:
        return mapping(self.metadata, "annotations")

    @property
    def runs_windows(self) -> bool:
        return text(self.spec, "os", "name") == "windows"


def named(container: JsonObject) -> str:
    return text(container, "name")


def contexts(pod: Pod) -> Iterator[tuple[str, JsonObject]]:
    """Names and security contexts of the containers."""
    for container in pod.containers:
        yield named(container), mapping(container, "securityContext")


def everyone(pod: Pod) -> list[JsonObject]:
    """The security contexts of the pod and of its containers."""
    return [pod.security, *(context for _, context in contexts(pod))]


def names_where(pod: Pod, condition: Callable[[JsonObject], bool]) -> list[str]:
    """Of the containers whose security context meets it."""
    return [name for name, context in contexts(pod) if condition(context)]


def containers_text(names: list[str]) -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{plural('container', names)} {quote_all(names)}"


def setters_text(*, pod: bool, containers: list[str]) -> str:
    """Who set something: `pod and containers "a", "b"`; empty if nobody did."""
    return " and ".join([*(["pod"] if pod else []), *([containers_text(containers)] if containers else [])])


def quote_all(values: Iterable[str]) -> str:
    return ", ".join(quoted(value) for value in values)


def plural(word: str, of: Any, many: str = "") -> str:
    return word if len(of) == 1 else many or f"{word}s"
