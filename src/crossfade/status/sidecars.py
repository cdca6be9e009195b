"""Which pods' proxies cannot reach the control plane any more, and what their pods are told of it.

A proxy that has lost the control plane goes on with what it has, and its pod stays ready: nothing else shows it.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from crossfade.status.change import News, ObjectChange
from crossfade_kube.meta import JsonObject, ObjectRef
from crossfade_kube.paths import STRATEGIC
from crossfade_kube.resources import POD

CONDITION: Final = "crossfade.dev/sidecar-connected"
"""A pod whose proxy was never missed has none."""
_STRANDED, _CONNECTED = "SidecarStranded", "SidecarConnected"
_WAY_OUT: Final = "read the log of its container envoy, or delete the pod: its successor gets what it needs"


class ProxyPod(NamedTuple):
    """A pod that was given a proxy. `node` is what the proxy calls itself, `runs_since` when its container started.

    `authority` is the one that it was told of when it was made, `is_told` whether its condition says that it is missed.
    """

    ref: ObjectRef
    resource_version: str
    node: str
    runs_since: datetime
    authority: str = ""
    is_told: bool = False


class Circumstances(NamedTuple):
    """What is known of connections at the time `now`.

    `seen` has when each proxy was connected last, where it ever was since `observed_since`. `refusals` are reasons why
    proxies were sent away, by node. Within `patience` nobody is missed.
    """

    now: datetime
    observed_since: datetime
    patience: timedelta
    authority: str
    connected: AbstractSet[str]
    seen: Mapping[str, datetime]
    refusals: Mapping[str, str]


def missed(pods: Iterable[ProxyPod], circumstances: Circumstances) -> dict[ProxyPod, datetime]:
    """Those that should be connected, with since when they are not, as far as that is known."""
    found: dict[ProxyPod, datetime] = {}
    for pod in pods:
        if pod.node not in circumstances.connected:
            since = max(pod.runs_since, circumstances.seen.get(pod.ref.uid, circumstances.observed_since))
            if pod.is_told or circumstances.now - since >= circumstances.patience:
                found[pod] = since
    return found


def changes_of_pods(pods: Iterable[ProxyPod], circumstances: Circumstances) -> list[ObjectChange]:
    """What has to be written so that each pod says whether its proxy is missed; nothing for those that do."""
    pods = tuple(pods)
    stranded = [
        _change(pod, "False", since, News(_STRANDED, _message(pod, since, circumstances)))
        for pod, since in missed(pods, circumstances).items()
        if not pod.is_told
    ]
    back = News(_CONNECTED, "its proxy is connected to the control plane again", is_warning=False)
    returned = [
        _change(pod, "True", circumstances.now, back)
        for pod in pods
        if pod.is_told and pod.node in circumstances.connected
    ]
    return [*stranded, *returned]


def _message(pod: ProxyPod, since: datetime, circumstances: Circumstances) -> str:
    return (
        f"its proxy is not connected to the control plane since {_rfc3339(since)}, and keeps the configuration that it "
        f"has{_cause(pod, circumstances)}: {_WAY_OUT}"
    )


def _cause(pod: ProxyPod, circumstances: Circumstances) -> str:
    if refusal := circumstances.refusals.get(pod.node):
        return f"; it was refused, because {refusal}"
    if pod.authority and pod.authority != circumstances.authority:
        return "; its pod was made under another authority, and it has not taken the present one over"
    return ""


def _change(pod: ProxyPod, status: str, at: datetime, news: News) -> ObjectChange:
    condition: JsonObject = {
        "type": CONDITION,
        "status": status,
        "reason": news.reason,
        "message": news.message,
        "lastTransitionTime": _rfc3339(at),
    }
    # Merged by type: all other conditions are the kubelet's.
    patch = {"status": {"conditions": [condition]}}
    return ObjectChange(pod.ref, POD, pod.resource_version, patch, "status", (news,), STRATEGIC)


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
