"""What is said of a pod's users where all containers are one user."""

from typing import Any

import pytest

from crossfade_local.kubelet.shared_user import users_without_effect

Json = dict[str, Any]
PROXY = 1337


def pod_spec(of_pod: Json, of_container: Json) -> Json:
    side = {"name": "side", "securityContext": {"runAsUser": PROXY}}
    app = {"name": "app", "securityContext": of_container}
    return {"securityContext": of_pod, "initContainers": [side], "containers": [app]}


@pytest.mark.parametrize(
    ("of_pod", "of_container", "named"),
    [
        ({"runAsUser": 1000}, {}, "spec: securityContext.runAsUser 1000 has no effect"),
        ({}, {"runAsGroup": 7}, 'container "app": securityContext.runAsGroup 7 has no effect'),
        ({"runAsNonRoot": True}, {}, "spec: securityContext.runAsNonRoot has no effect"),
        (
            {"runAsUser": 5},
            {"runAsUser": 6},
            'spec: securityContext.runAsUser 5, container "app": securityContext.runAsUser 6 have no effect',
        ),
    ],
)
def test_users_that_were_asked_for_in_vain_are_named(of_pod: Json, of_container: Json, named: str) -> None:
    assert named in users_without_effect(pod_spec(of_pod, of_container), {PROXY})


@pytest.mark.parametrize("context", [{}, {"runAsUser": 0, "runAsGroup": 0}, {"fsGroup": 5, "supplementalGroups": [6]}])
def test_nothing_is_said_where_nothing_is_lacking(context: Json) -> None:
    assert users_without_effect(pod_spec(context, {}), {PROXY}) == ""
    assert "runAsUser 1337" in users_without_effect(pod_spec(context, {}), ())
