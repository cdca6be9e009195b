"""The controls that the level restricted adds to baseline's, or puts in the place of one."""

from typing import Final

from crossfade_local.apiserver.security.pod_security.baseline import bad_seccomp
from crossfade_local.apiserver.security.pod_security.pod import (
    Pod,
    Violation,
    containers_text,
    contexts,
    named,
    names_where,
    plural,
    quote_all,
    setters_text,
)
from crossfade_local.values.fields import at, objects, sequence

_ALLOWED_VOLUMES: Final = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
        "secret",
    }
)  # fmt: skip


def privilege_escalation(pod: Pod) -> Violation | None:
    names = names_where(pod, lambda context: context.get("allowPrivilegeEscalation") is not False)
    detail = f"{containers_text(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail) if names else None


def privilege_escalation_1_25(pod: Pod) -> Violation | None:
    return None if pod.runs_windows else privilege_escalation(pod)


def capabilities(pod: Pod) -> Violation | None:
    lacking = names_where(pod, lambda context: "ALL" not in sequence(context, "capabilities", "drop"))
    adding, bad = [], set()
    for name, context in contexts(pod):
        if added := set(sequence(context, "capabilities", "add")) - {"NET_BIND_SERVICE"}:
            adding.append(name)
            bad |= added
    details = []
    if lacking:
        details.append(f'{containers_text(lacking)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(
            f"{containers_text(adding)} must not include {quote_all(sorted(bad))} in securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def capabilities_1_25(pod: Pod) -> Violation | None:
    return None if pod.runs_windows else capabilities(pod)


def volumes(pod: Pod) -> Violation | None:
    names, kinds = [], set()
    for volume in objects(pod.spec, "volumes"):
        found = [key for key, value in volume.items() if key != "name" and value is not None]
        if not _ALLOWED_VOLUMES.intersection(found):
            names.append(named(volume))
            kinds.add(found[0] if found else "unknown")
    if not names:
        return None
    use, kind = plural("uses", names, "use"), plural("restricted volume type", kinds)
    detail = f"{plural('volume', names)} {quote_all(names)} {use} {kind} {quote_all(sorted(kinds))}"
    return Violation("restricted volume types", detail)


def non_root(pod: Pod) -> Violation | None:
    by_pod = at(pod.security, "runAsNonRoot")
    names = names_where(pod, lambda context: context.get("runAsNonRoot") is False)
    setters = setters_text(pod=by_pod is False, containers=names)
    if setters:
        return Violation("runAsNonRoot != true", f"{setters} must not set securityContext.runAsNonRoot=false")
    silent = [] if by_pod is True else names_where(pod, lambda context: context.get("runAsNonRoot") is None)
    detail = f"pod or {containers_text(silent)} must set securityContext.runAsNonRoot=true"
    return Violation("runAsNonRoot != true", detail) if silent else None


def user(pod: Pod) -> Violation | None:
    names = names_where(pod, lambda context: context.get("runAsUser") == 0)
    setters = setters_text(pod=pod.security.get("runAsUser") == 0, containers=names)
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def seccomp(pod: Pod) -> Violation | None:
    if violation := bad_seccomp(pod):
        return violation
    if at(pod.security, "seccompProfile") is not None:
        return None
    silent = names_where(pod, lambda context: context.get("seccompProfile") is None)
    wanted = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {containers_text(silent)} {wanted}") if silent else None


def seccomp_1_25(pod: Pod) -> Violation | None:
    return None if pod.runs_windows else seccomp(pod)
