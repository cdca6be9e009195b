from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.apiserver.defaults import (
    apply_defaults,
    default_addresses,
    drop_type_dependent_fields,
    initial_status,
)
from crossfade_local.values.fields import at

Kind = tuple[str, str, str]
POD: Kind = ("", "v1", "Pod")
DEPLOYMENT: Kind = ("apps", "v1", "Deployment")
SERVICE: Kind = ("", "v1", "Service")
NOW = "2026-01-01T00:00:00Z"


def container(**fields: Any) -> dict[str, Any]:
    """The container of a pod, after defaults."""
    pod = apply_defaults(POD, {"spec": {"containers": [{"name": "c", "image": "i:1", **fields}]}})
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.0", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
    ],
)
def test_images_without_a_fixed_tag_are_always_pulled(image: str, policy: str) -> None:
    assert container(image=image)["imagePullPolicy"] == policy


def test_a_pods_negative_grace_period_is_a_second() -> None:
    spec = {"terminationGracePeriodSeconds": -5, "containers": []}
    template = apply_defaults(("", "v1", "PodTemplate"), {"template": {"spec": dict(spec)}})["template"]
    assert apply_defaults(POD, {"spec": dict(spec)})["spec"]["terminationGracePeriodSeconds"] == 1
    assert template["spec"]["terminationGracePeriodSeconds"] == -5


def test_a_pod_is_completed() -> None:
    spec = apply_defaults(POD, {"spec": {"containers": [{"name": "c", "image": "i:1"}]}})["spec"]
    keys = {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "enableServiceLinks": True,
    }
    assert {name: spec[name] for name in keys} == keys
    assert spec["containers"][0] == {
        "name": "c",
        "image": "i:1",
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
    }


def test_probes_and_references_are_completed() -> None:
    found = container(
        livenessProbe={"httpGet": {"port": 80}, "periodSeconds": 5},
        env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        ports=[{"containerPort": 80}],
    )
    assert found["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 5,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert found["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert found["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_amounts_are_requested_up_to_the_limit() -> None:
    resources = container(resources={"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "500m"}})["resources"]
    assert resources == {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}


def test_templates_get_no_account_and_no_tolerations() -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i:1", "resources": {"limits": {"cpu": "1"}}}]}}
    spec = apply_defaults(DEPLOYMENT, {"spec": {"template": template}})["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    pod = spec["template"]["spec"]
    assert not {"tolerations", "serviceAccountName", "priority"} & pod.keys()
    assert pod["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"ports": [{"port": 80}]},
            {
                "type": "ClusterIP",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            },
        ),
        ({"type": "NodePort"}, {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": None}),
        ({"type": "LoadBalancer"}, {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
        ({"type": "ExternalName"}, {"internalTrafficPolicy": None, "ipFamilies": None, "clusterIPs": None}),
        ({"clusterIP": "None", "selector": {"a": "b"}}, {"clusterIPs": ["None"], "ipFamilies": ["IPv4"]}),
        ({"clusterIP": "None"}, {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
    ],
)
def test_services(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    found = apply_defaults(SERVICE, {"spec": spec})["spec"]
    default_addresses(found)
    assert {name: found.get(name) for name in expected} == expected


def test_a_service_loses_what_its_new_type_has_not() -> None:
    old = apply_defaults(SERVICE, {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]}})
    new = {"spec": {**old["spec"], "type": "ClusterIP"}}
    spec = drop_type_dependent_fields(new, old)["spec"]
    assert "nodePort" not in spec["ports"][0]
    assert "externalTrafficPolicy" not in spec


@pytest.mark.parametrize(
    ("kind", "obj", "path", "value"),
    [
        (("", "v1", "Secret"), {"stringData": {"p": "q"}, "data": {"a": "Yg=="}}, "data", {"a": "Yg==", "p": "cQ=="}),
        (("", "v1", "Secret"), {}, "type", "Opaque"),
        (
            ("discovery.k8s.io", "v1", "EndpointSlice"),
            {"ports": [{"port": 1}]},
            "ports",
            [{"port": 1, "name": "", "protocol": "TCP"}],
        ),
        (("batch", "v1", "Job"), {}, "spec.backoffLimit", 6),
        (("apps", "v1", "StatefulSet"), {}, "spec.podManagementPolicy", "OrderedReady"),
        (("apps", "v1", "DaemonSet"), {}, "spec.updateStrategy.rollingUpdate", {"maxUnavailable": 1, "maxSurge": 0}),
        (("batch", "v1", "CronJob"), {}, "spec.concurrencyPolicy", "Allow"),
        (("autoscaling", "v2", "HorizontalPodAutoscaler"), {}, "spec.minReplicas", 1),
        (
            ("networking.k8s.io", "v1", "IngressClass"),
            {"spec": {"parameters": {"name": "x"}}},
            "spec.parameters.scope",
            "Cluster",
        ),
        (
            ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
            {"subjects": [{"kind": "User"}]},
            "roleRef.apiGroup",
            "rbac.authorization.k8s.io",
        ),
    ],
)
def test_small_kinds(kind: Kind, obj: dict[str, Any], path: str, value: Any) -> None:
    assert at(apply_defaults(kind, obj), *path.split(".")) == value


def test_webhooks() -> None:
    hook = {"rules": [{}], "clientConfig": {"service": {"name": "s"}}}
    kind = ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration")
    found = apply_defaults(kind, {"webhooks": [hook]})["webhooks"][0]
    assert (found["failurePolicy"], found["matchPolicy"], found["timeoutSeconds"]) == ("Fail", "Equivalent", 10)
    assert (found["reinvocationPolicy"], found["rules"][0]["scope"]) == ("Never", "*")
    assert found["clientConfig"]["service"]["port"] == 443


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
    ],
)
def test_a_new_pod_has_a_quality_of_service(resources: dict[str, Any], expected: str) -> None:
    status = initial_status({"spec": {"containers": [{"resources": resources}]}}, NOW)
    assert status == {"phase": "Pending", "qosClass": expected}


def test_a_gated_pod_says_so() -> None:
    (gated,) = initial_status({"spec": {"schedulingGates": [{"name": "a/b"}], "containers": [{}]}}, NOW)["conditions"]
    assert (gated["reason"], gated["lastTransitionTime"]) == ("SchedulingGated", NOW)


pods = st.fixed_dictionaries(
    {"containers": st.lists(st.fixed_dictionaries({"name": st.text("ab"), "image": st.text("a:@/1")}), max_size=2)},
    optional={"hostNetwork": st.booleans(), "tolerations": st.just([{"operator": "Exists"}])},
)


@given(pods)
def test_defaults_are_stable_and_the_input_stays(spec: dict[str, Any]) -> None:
    obj = {"spec": spec}
    before = repr(obj)
    once = apply_defaults(POD, obj)
    assert apply_defaults(POD, once) == once
    assert repr(obj) == before
