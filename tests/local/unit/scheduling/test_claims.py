from typing import Any

import pytest

from crossfade_local.scheduling.claims import Claims
from crossfade_local.scheduling.cluster import Cluster, PodFacts
from crossfade_local.scheduling.decisions import Bind, Unschedulable, decide

Json = dict[str, Any]
BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


def _pod(*volumes: Json) -> PodFacts:
    return PodFacts.of({"metadata": {"name": "p", "namespace": "prod", "uid": "p"}, "spec": {"volumes": list(volumes)}})


def _claim(spec: Json, **metadata: Any) -> Json:
    return {"metadata": {"name": "tapes", "namespace": "prod", **metadata}, "spec": spec}


def _of(name: str) -> Json:
    return {"name": "v", "persistentVolumeClaim": {"claimName": name}}


@pytest.mark.parametrize(
    ("volume", "claim", "said"),
    [
        ({"name": "v", "emptyDir": {}}, None, None),
        (_of("tapes"), None, 'persistentvolumeclaim "tapes" not found'),
        (_of("tapes"), _claim({"volumeName": "x"}, annotations=BOUND), None),
        (_of("tapes"), _claim({"volumeName": "x"}), "pod has unbound immediate PersistentVolumeClaims"),
        (_of("tapes"), _claim({"storageClassName": "soon"}), "pod has unbound immediate PersistentVolumeClaims"),
        (_of("tapes"), _claim({"storageClassName": "late"}), None),
        (
            _of("tapes"),
            {**_claim({"volumeName": "x"}, annotations=BOUND), "status": {"phase": "Lost"}},
            'persistentvolumeclaim "tapes" bound to non-existent persistentvolume "x"',
        ),
        (
            _of("tapes"),
            _claim({"volumeName": "x"}, annotations=BOUND, deletionTimestamp="2026-01-01T00:00:00Z"),
            'persistentvolumeclaim "tapes" is being deleted',
        ),
        (
            {"name": "v", "ephemeral": {}},
            None,
            'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"',
        ),
        ({"name": "v", "ephemeral": {}}, _claim({"storageClassName": "late"}, name="p-v"), None),
    ],
)
def test_what_a_pod_waits_for(volume: Json, claim: Json | None, said: str | None) -> None:
    claims, cluster = Claims(), Cluster()
    claims.set_class({"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"})
    claims.set_class({"metadata": {"name": "soon"}, "volumeBindingMode": "Immediate"})
    if claim is not None:
        claims.set_claim(claim)
    assert claims.refusal(_pod(volume)) == said
    cluster.set_node({"metadata": {"name": "n"}, "status": {"capacity": {"pods": "9"}}})
    wanted = Bind("n") if said is None else Unschedulable(f"0/1 nodes are available: {said}. not found")
    assert decide(_pod(volume), cluster, claims=claims) == wanted


def test_only_what_matters_of_a_claim_is_a_change() -> None:
    claims, claim = Claims(), _claim({"storageClassName": "late"})
    assert claims.set_claim(claim)
    assert not claims.set_claim({**claim, "metadata": {**claim["metadata"], "labels": {"a": "b"}}})
    assert claims.set_claim({**claim, "status": {"phase": "Lost"}})
    claims.drop_claim(claim)
    assert claims.refusal(_pod(_of("tapes"))) == 'persistentvolumeclaim "tapes" not found'


def test_a_class_may_go() -> None:
    claims, late = Claims(), {"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}
    claims.set_class(late)
    claims.set_claim(_claim({"storageClassName": "late"}))
    assert claims.refusal(_pod(_of("tapes"))) is None
    claims.drop_class(late)
    assert claims.refusal(_pod(_of("tapes"))) == "pod has unbound immediate PersistentVolumeClaims"
