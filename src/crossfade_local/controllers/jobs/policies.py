"""What a Job's podFailurePolicy and successPolicy say; pure."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.jobs.indexes import Indexes
from crossfade_local.controllers.objects import name_of, namespace_of


class Verdict(NamedTuple):
    """`action` is FailJob, FailIndex, Ignore or Count."""

    action: str
    message: str = ""


def verdict(job: JsonObject, pod: JsonObject) -> Verdict:
    """Of the first rule that fits a failed pod; `Count` if none does."""
    for index, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        action = rule.get("action") or "Count"
        if codes := rule.get("onExitCodes"):
            for status in _ended(pod):
                if _matches_code(codes, status):
                    text = (
                        f"Container {status['name']} for pod {namespace_of(pod)}/{name_of(pod)} failed with exit code "
                        f"{status['state']['terminated']['exitCode']} matching {action} rule at index {index}"
                    )
                    return Verdict(action, text)
        for pattern in rule.get("onPodConditions") or ():
            if _has_condition(pod, pattern):
                text = (
                    f"Pod {namespace_of(pod)}/{name_of(pod)} has condition {pattern['type']} matching {action} rule "
                    f"at index {index}"
                )
                return Verdict(action, text)
    return Verdict("Count")


def has_succeeded(job: JsonObject, completed: Indexes) -> str:
    """The message of the rule of successPolicy that is fulfilled; empty if none is."""
    rules: Iterable[Any] = (job["spec"].get("successPolicy") or {}).get("rules") or ()
    below = int(job["spec"].get("completions") or 0)
    for index, rule in enumerate(rules):
        wanted = rule.get("succeededIndexes")
        named = Indexes.parse(wanted, below=below) if wanted else Indexes(((0, below - 1),) if below else ())
        count = rule.get("succeededCount")
        needed = named.size() if count is None else int(count)
        if named.common(completed) >= needed:
            return f"Matched rules at index {index}"
    return ""


def _ended(pod: JsonObject) -> Iterator[JsonObject]:
    status = pod.get("status") or {}
    for field in ("initContainerStatuses", "containerStatuses"):
        for item in status.get(field) or ():
            if (item.get("state") or {}).get("terminated"):
                yield item


def _matches_code(codes: JsonObject, status: JsonObject) -> bool:
    code = status["state"]["terminated"].get("exitCode", 0)
    if code == 0 or codes.get("containerName") not in (None, status["name"]):
        return False
    listed = code in (codes.get("values") or ())
    return listed if codes.get("operator") == "In" else not listed


def _has_condition(pod: JsonObject, pattern: JsonObject) -> bool:
    wanted = pattern.get("status") or "True"
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == pattern.get("type") and condition.get("status") == wanted:
            return True
    return False
