"""Pod Security admission: pods that a namespace's labels forbid are refused, workloads that make such pods told."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.security.pod_security.pod import Pod
from crossfade_local.apiserver.security.pod_security.policy import PRIVILEGED, Policy, Standard, policy_of
from crossfade_local.apiserver.security.pod_security.standards import details, reasons, violations
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.validation.errors import invalid
from crossfade_local.apiserver.wire.status import forbidden
from crossfade_local.apiserver.writing.objects import invalid_object
from crossfade_local.values.fields import at, mapping, objects, text

_NAMESPACES: Final = "/namespaces"
_PODS: Final = "/pods"
_TEMPLATE: Final = ("spec", "template")
_TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "/podtemplates": ("template",),
    "/replicationcontrollers": _TEMPLATE,
    "apps/daemonsets": _TEMPLATE,
    "apps/deployments": _TEMPLATE,
    "apps/replicasets": _TEMPLATE,
    "apps/statefulsets": _TEMPLATE,
    "batch/jobs": _TEMPLATE,
    "batch/cronjobs": ("spec", "jobTemplate", "spec", "template"),
}
_HARMLESS: Final = frozenset({"binding", "status"})
_MOST_PODS: Final = 3000
_SECCOMP: Final = "seccomp.security.alpha.kubernetes.io/pod"


def pod_security(storage: Storage) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        if attributes.new is None or attributes.operation not in ("CREATE", "UPDATE"):
            return
        if attributes.bucket == _NAMESPACES and not attributes.subresource:
            _check_namespace(storage, attributes, attributes.new)
        elif attributes.bucket == _PODS and attributes.subresource not in _HARMLESS:
            _check_pod(_policy_at(storage, attributes.namespace), attributes, attributes.new)
        elif (path := _TEMPLATES.get(attributes.bucket)) and not attributes.subresource:
            template = at(attributes.new, *path)
            if isinstance(template, dict):
                _warn(_policy_at(storage, attributes.namespace).warn, _pod_of(template), attributes)

    return step


def _policy_at(storage: Storage, namespace: str) -> Policy:
    stored = storage.get(_NAMESPACES, "", namespace)
    return policy_of(mapping(stored.object, "metadata", "labels")) if stored else Policy()


def _check_pod(policy: Policy, attributes: Attributes, new: JsonObject) -> None:
    if policy.enforce.level == policy.warn.level == PRIVILEGED:
        return
    if attributes.old is not None and not _matters(new, attributes.old):
        return
    found = violations(_pod_of(new), policy.enforce)
    if found:
        why = f'violates PodSecurity "{policy.enforce}": {details(found)}'
        raise forbidden("pods", "", attributes.name or text(new, "metadata", "generateName"), why)
    _warn(policy.warn, _pod_of(new), attributes)


def _warn(standard: Standard, pod: Pod, attributes: Attributes) -> None:
    if found := violations(pod, standard):
        attributes.call.warnings.add(f'would violate PodSecurity "{standard}": {details(found)}')


def _pod_of(obj: JsonObject) -> Pod:
    return Pod(mapping(obj, "metadata"), mapping(obj, "spec"))


def _matters(new: JsonObject, old: JsonObject) -> bool:
    """Images, containers and the old annotation of seccomp are all that an update of a pod can make worse."""
    return list(_looked_at(new)) != list(_looked_at(old))


def _looked_at(pod: JsonObject) -> Iterator[tuple[str, str]]:
    yield _SECCOMP, text(mapping(pod, "metadata", "annotations"), _SECCOMP)
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in objects(pod, "spec", key):
            yield text(container, "name"), text(container, "image")


def _check_namespace(storage: Storage, attributes: Attributes, new: JsonObject) -> None:
    policy = policy_of(mapping(new, "metadata", "labels"))
    former = policy_of(mapping(attributes.old, "metadata", "labels"))
    if policy.bad and policy.bad != former.bad:
        errors = [invalid(f"metadata.labels[{one.label}]", one.value, one.problem) for one in policy.bad]
        raise invalid_object(attributes.resource, attributes.name, errors)
    if attributes.operation == "UPDATE" and _is_tightened(policy.enforce, former.enforce):
        for warning in _warnings_about(storage, attributes.name, policy.enforce):
            attributes.call.warnings.add(warning)


def _is_tightened(new: Standard, old: Standard) -> bool:
    if new == old or new.level == PRIVILEGED:
        return False
    return new.version != old.version or new.is_stricter_than(old)


def _warnings_about(storage: Storage, namespace: str, standard: Standard) -> Iterator[str]:
    """What the pods that are there violate, each kind of violation once with the first pod's name."""
    first: dict[str, str] = {}
    counted: Counter[str] = Counter()
    total = 0
    for stored in storage.scan(_PODS, namespace):
        total += 1
        if total <= _MOST_PODS and (found := violations(_pod_of(stored.object), standard)):
            why = reasons(found)
            first.setdefault(why, stored.key[1])
            counted[why] += 1
    if total > _MOST_PODS:
        yield f"new PodSecurity enforce level only checked against the first {_MOST_PODS} of {total} existing pods"
    if first:
        yield f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"'
    yield from sorted(f"{name}{_others(counted[why])}: {why}" for why, name in first.items())


def _others(count: int) -> str:
    if count == 1:
        return ""
    return " (and 1 other pod)" if count == 2 else f" (and {count - 1} other pods)"
