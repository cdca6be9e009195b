"""Environment, command line and identity of a container."""

from typing import Any

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.catalogue import Image, User
from crossfade_local.kubelet.environment import (
    ConfigError,
    DataSources,
    PodFacts,
    build_command,
    build_env,
    build_identity,
    expand,
    field_value,
    resource_value,
)

POD: JsonObject = {
    "metadata": {
        "name": "dj-1",
        "namespace": "prod",
        "uid": "u-1",
        "labels": {"app": "dj"},
        "annotations": {"note": 'say "hi"'},
    },
    "spec": {"nodeName": "crossfade", "serviceAccountName": "dj"},
}
FACTS = PodFacts(POD, "10.244.0.16", "10.244.0.1")
SOURCES = DataSources(config_maps={"settings": {"LEVEL": "high", "bad key": "x"}}, secrets={"keys": {"token": "t0p"}})
IMAGE = Image(match="*", argv=("serve", "--fast"), workdir="/srv")
USER = User(uid=41, gid=42)


def env_of(**container: Any) -> dict[str, str]:
    return build_env(container, base={"PATH": "/bin"}, facts=FACTS, sources=SOURCES)


def test_values_refer_to_earlier_ones() -> None:
    env = env_of(
        env=[{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)-$$(A)"}, {"name": "C", "value": "3"}]
    )
    assert env == {"PATH": "/bin", "A": "1", "B": "1-$(C)-$(A)", "C": "3"}


def test_env_from_takes_valid_names_with_prefix() -> None:
    env = env_of(envFrom=[{"prefix": "X_", "configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}])
    assert env == {"PATH": "/bin", "X_LEVEL": "high", "token": "t0p"}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "10.244.0.16"),
        ({"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}, "high"),
        ({"secretKeyRef": {"name": "keys", "key": "token"}}, "t0p"),
        ({"secretKeyRef": {"name": "keys", "key": "none", "optional": True}}, None),
        ({"configMapKeyRef": {"name": "none", "key": "none", "optional": True}}, None),
    ],
)
def test_value_from(source: JsonObject, value: str | None) -> None:
    assert env_of(env=[{"name": "V", "valueFrom": source}]).get("V") == value


@pytest.mark.parametrize(
    ("container", "complaint"),
    [
        (
            {"env": [{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "n", "key": "k"}}}]},
            'configmap "n" not found',
        ),
        (
            {"env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]},
            "couldn't find key k in Secret prod/keys",
        ),
        ({"envFrom": [{"secretRef": {"name": "n"}}]}, 'secret "n" not found'),
        ({"env": [{"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}, "unsupported fieldPath"),
    ],
)
def test_missing_sources(container: JsonObject, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        env_of(**container)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "dj-1"),
        ("metadata.labels['app']", "dj"),
        ("metadata.annotations", 'note="say \\"hi\\""'),
        ("spec.serviceAccountName", "dj"),
        ("status.hostIP", "10.244.0.1"),
    ],
)
def test_field_values(path: str, value: str) -> None:
    assert field_value(path, FACTS) == value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.memory"}, str(64 * 2**20)),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.cpu"}, "1"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "250"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "requests.ephemeral-storage"}, "0"),
    ],
)
def test_resource_values(reference: JsonObject, value: str) -> None:
    container = {"resources": {"limits": {"cpu": "250m", "memory": "64Mi"}}}
    assert resource_value(reference, container) == value


@pytest.mark.parametrize(
    ("container", "argv"),
    [
        ({}, ("serve", "--fast")),
        ({"args": ["$(A)"]}, ("serve", "--fast", "1")),
        ({"command": ["run", "$(A)"]}, ("run", "1")),
        ({"command": ["run"], "args": ["$(B)"]}, ("run", "$(B)")),
    ],
)
def test_command_line(container: JsonObject, argv: tuple[str, ...]) -> None:
    assert build_command(container, IMAGE, {"A": "1"}).argv == argv


def test_expand_keeps_what_it_does_not_know() -> None:
    assert expand("$(A) $(none) $$(A) $A", {"A": "1"}) == "1 $(none) $(A) $A"


@pytest.mark.parametrize(
    ("pod", "container", "ids"),
    [
        ({}, {}, (41, 42)),
        ({"runAsGroup": 6}, {}, (41, 6)),
        ({"runAsUser": 5}, {}, (5, 0)),
        ({"runAsUser": 5, "runAsGroup": 6}, {"runAsUser": 7}, (7, 6)),
        ({}, {"runAsUser": 0}, (0, 0)),
    ],
)
def test_identity(pod: JsonObject, container: JsonObject, ids: tuple[int, int]) -> None:
    identity = build_identity({"securityContext": container}, {"securityContext": pod}, USER)
    assert (identity.uid, identity.gid) == ids


def test_groups_and_capabilities() -> None:
    pod = {"securityContext": {"supplementalGroups": [7], "fsGroup": 8, "runAsUser": 1}}
    container = {"securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}}
    identity = build_identity(container, pod, USER)
    assert identity.groups == (0, 7, 8)
    assert identity.capabilities == {"NET_ADMIN"}


@pytest.mark.parametrize(
    "security", [{"privileged": True}, {"capabilities": {"add": ["ALL"]}}, {"capabilities": {"add": ["SYS_ADMIN"]}}]
)
def test_no_capability_that_reaches_the_machine(security: JsonObject) -> None:
    found = build_identity({"securityContext": security}, {}, USER).capabilities
    assert not found & {"SYS_ADMIN", "MKNOD", "DAC_READ_SEARCH", "SYS_MODULE", "SYS_RAWIO", "BPF"}
    assert "CHOWN" in found


@pytest.mark.parametrize(
    ("pod", "container", "is_filtered"),
    [
        (None, None, False),
        ("RuntimeDefault", None, True),
        ("RuntimeDefault", "Unconfined", False),
        (None, "RuntimeDefault", True),
    ],
)
def test_filter_of_system_calls(pod: str | None, container: str | None, is_filtered: bool) -> None:
    contexts = [{"securityContext": {"seccompProfile": {"type": one}} if one else {}} for one in (container, pod)]
    assert build_identity(*contexts, USER).is_filtered == is_filtered


def test_a_seccomp_profile_that_is_not_there_is_refused() -> None:
    profile = {"type": "Localhost", "localhostProfile": "mine.json"}
    with pytest.raises(ConfigError, match=r'seccomp profile "mine\.json"'):
        build_identity({"securityContext": {"seccompProfile": profile}}, {}, USER)


def test_run_as_non_root_refuses_root() -> None:
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        build_identity({"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}, {}, USER)
