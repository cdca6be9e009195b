"""What a real Helm renders of the charts is what `crossfade install` prints."""

from pathlib import Path
from typing import Any

import pytest

from crossfade.install.chart import Chart
from crossfade.install.gateway_chart.chart import GATEWAY_CHART
from crossfade.install.mesh_chart import MESH_CHART
from crossfade.install.template.values import RefusedValuesError, Remark
from tests.support.helm import CHARTS, HelmError, helm, helm_program, rendered

pytestmark = pytest.mark.skipif(helm_program() is None, reason="there is no Helm; `make test-charts` builds one")
OPERATOR = "monitoring.coreos.com/v1"
GATEWAYS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "names": {"nameOverride": "edge", "extraLabels": {"team": "api"}, "podLabels": {"on": "yes"}},
    "full-name": {"fullnameOverride": "gate", "deployment": {"serviceAccount": {"create": False}}},
    "account": {"deployment": {"serviceAccount": {"name": "own", "annotations": {"role": "arn:aws:iam::1:role/a"}}}},
    "images": {
        "image": {"registry": "registry.example:5000/mirror", "tag": "1.2", "pullSecrets": ["a", "b"]},
        "ingressController": {"image": {"tag": "2"}},
    },
    "one-image": {"image": {"unifiedRepoTag": "registry.example/proxy@sha256:00", "pullPolicy": "Always"}},
    "settings": {
        "env": {
            "trusted_ips": "10.0.0.0/8",
            "real_ip_header": "proxy_protocol",
            "nginx_worker_processes": 2,
            "upstream_keepalive_max_requests": 1000000,
            "client_ssl": True,
            "SSL_CERT": "/etc/secrets/tls/tls.crt",
            "headers": 'off "quoted" \\ ä\u2028',
            "ssl_cert_key": {"valueFrom": {"secretKeyRef": {"name": "tls", "key": "tls.key"}}},
            "proxy_listen": "0.0.0.0:9000 proxy_protocol",
        },
        "customEnv": {"TZ": "UTC", "Mixed_Case": 1.5},
        "envFrom": [{"configMapRef": {"name": "more"}}],
        "ingressController": {
            "env": {"log_level": "debug", "ingress_class": "other", "election_id": "own"},
            "args": ["--help"],
        },
        "crossfade": {"env": {"CROSSFADE_COMPAT": "kong-3"}, "missingPlugins": "open", "identityHeaders": "pass"},
        "secretVolumes": ["tls"],
    },
    "listeners": {
        "proxy": {
            "type": "NodePort",
            "http": {"parameters": ["proxy_protocol"], "nodePort": 30080, "hostPort": 8000, "servicePort": 8080},
            "tls": {"overrideServiceTargetPort": 8000, "parameters": [], "appProtocol": "https"},
            "stream": [
                {"containerPort": 9000, "servicePort": 900, "parameters": ["ssl", "reuseport"]},
                {"containerPort": 9053, "servicePort": 53, "protocol": "UDP", "parameters": ["udp"]},
                {"containerPort": 9001, "servicePort": 901},
            ],
        },
        "status": {"http": {"containerPort": 8200}},
        "networkPolicy": {"enabled": True, "ingress": [{"ports": [{"port": 15000}]}]},
    },
    "soon-gone": {"crossfade": {"drainSeconds": 1}},
    "killed": {"terminationGracePeriodSeconds": 60},
    "one-listener": {"proxy": {"http": {"enabled": False}, "labels": {"enable-metrics": "true"}}},
    "load-balancer": {
        "proxy": {
            "annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": "external"},
            "externalTrafficPolicy": "Local",
            "loadBalancerClass": "service.k8s.aws/nlb",
            "loadBalancerSourceRanges": ["192.0.2.0/24"],
            "loadBalancerIP": "192.0.2.1",
            "externalIPs": ["192.0.2.2"],
            "ipFamilyPolicy": "PreferDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
        },
        "crossfade": {"drainSeconds": 300},
        "lifecycle": {"preStop": {"sleep": {"seconds": 20}}},
    },
    "no-service": {"proxy": {"enabled": False}},
    "traced": {"tracing": {"enabled": True, "provider": "jaeger", "address": "jaeger", "samplingRate": 1}},
    "traced-by-otlp": {"tracing": {"enabled": True, "provider": "otlp", "port": 4319}},
    "traced-by-x-ray": {"tracing": {"enabled": True}},
    "scaling": {
        "autoscaling": {"enabled": True, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}},
        "podDisruptionBudget": {"enabled": True, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
    },
    "scaling-otherwise": {
        "autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": 70, "maxReplicas": 1000000},
        "podDisruptionBudget": {"enabled": True, "minAvailable": 1},
    },
    "placement": {
        "replicaCount": 3,
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "edge", "operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "system-cluster-critical",
        "crossfade": {"antiAffinity": "hard"},
        "podAnnotations": {"a": "b"},
        "deploymentAnnotations": {"c": "d"},
        "deployment": {
            "minReadySeconds": 5,
            "hostNetwork": True,
            "initContainers": [{"name": "wait", "image": "wait:1"}],
            "sidecarContainers": [{"name": "beside", "image": "beside:1"}],
            "userDefinedVolumes": [{"name": "v", "emptyDir": {}}],
            "userDefinedVolumeMounts": [{"name": "v", "mountPath": "/v"}],
        },
        "containerSecurityContext": {"enabled": True, "runAsUser": 2000, "readOnlyRootFilesystem": False},
    },
    "own-affinity": {"affinity": {"nodeAffinity": {}}, "crossfade": {"meshNative": True}, "podAnnotations": {"a": "b"}},
    "as-in-kongs-files": {
        "containerSecurityContext": {"enabled": False},
        "proxy": {"stream": {}, "ipFamilyPolicy": None, "trafficDistribution": "PreferClose"},
        "manager": {"enabled": True, "tls": {}},
    },
    "anywhere": {"crossfade": {"antiAffinity": "off", "clusterDomain": "example.internal", "compat": "kong-3"}},
    "no-webhook": {"ingressController": {"admissionWebhook": {"enabled": False}, "rbac": {"create": False}}},
    "webhook": {
        "ingressController": {
            "ingressClass": "edge",
            "createIngressClass": False,
            "admissionWebhook": {
                "failurePolicy": "Fail",
                "port": 9443,
                "timeoutSeconds": 10,
                "namespaceSelector": {"matchLabels": {"checked": "yes"}},
                "annotations": {"a": "b"},
            },
        },
    },
    "probes": {
        "livenessProbe": {"httpGet": {"path": "/status", "port": "status"}},
        "readinessProbe": {"httpGet": {"path": "/status/ready"}, "periodSeconds": None},
        "startupProbe": {"tcpSocket": {"port": 8100}},
        "resources": {"requests": None, "limits": {"cpu": 2, "memory": "1Gi"}},
    },
    "monitored": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"}},
    "alerts": {
        "prometheusRule": {"enabled": True, "trustCRDsExist": True, "labels": {"release": "prometheus"}},
        "dashboards": {"enabled": True, "namespace": "monitoring", "annotations": {"grafana_folder": "Crossfade"}},
    },
    "alerts-of-gateways-alone": {
        "prometheusRule": {"enabled": True, "trustCRDsExist": True, "controlPlane": False},
        "dashboards": {"enabled": True, "controlPlane": False, "labels": {"grafana_dashboard": None, "board": "yes"}},
    },
    "idle": {"migrations": {"preUpgrade": True}, "waitImage": {"enabled": True}, "global": {"a": 1}},
}

MESHES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "aws": {"region": "eu-west-1", "accountId": 123456789012, "serviceAccount": {"annotations": {"role": "arn"}}},
    "unset": {"region": "", "accountId": ""},
    "images": {
        "image": {"registry": "registry.example", "tag": "2", "pullPolicy": "Always"},
        "imagePullSecrets": ["a"],
        "sidecar": {"image": {"repository": "proxy", "tag": "3"}},
        "init": {"image": {"tag": "4"}},
    },
    "sidecars": {
        "sidecar": {
            "logLevel": "debug",
            "waitUntilProxyReady": True,
            "resources": {"requests": {"cpu": ""}, "limits": {"cpu": 1, "memory": "64Mi"}},
            "envoyAdminAccessLogFile": "/tmp/admin.log",
            "lifecycleHooks": {"preStopDelay": 20, "postStartTimeout": 60, "postStartInterval": 5},
        },
        "sds": {"enabled": True, "udsPath": "/run/agent.sock"},
        "crossfade": {"acmSecrets": True, "cloudMap": "aws", "ipFamily": "ipv6", "nativeSidecars": "never"},
        "log": {"level": "debug"},
        "cloudMapDNS": {"ttl": 2147483647},
        "enableBackendGroups": False,
        "tlsCipherSuite": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "stats": {"tagsEnabled": True, "statsdEnabled": True, "statsdPort": 8125},
        "env": {"CROSSFADE_IDENTITY_LIFETIME_S": 7200, "AWS_REGION": "us-east-1"},
    },
    "operated": {
        "replicaCount": 2,
        "podDisruptionBudget": {"minAvailable": 1},
        "networkPolicy": {"enabled": True, "ingress": [{"ports": [{"port": 8080}]}]},
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        "priorityClassName": "system-cluster-critical",
        "podLabels": {"c": "d"},
        "podAnnotations": {"e": "f"},
        "extraLabels": {"g": "h"},
        "podSecurityContext": {"fsGroup": 1000},
        "securityContext": {"runAsUser": 2000},
        "resources": {"limits": {"cpu": "2000m"}},
    },
    "monitored": {"podMonitor": {"enabled": True, "trustCRDsExist": True, "interval": "30s", "labels": {"i": "k"}}},
    "alerts": {
        "prometheusRule": {"enabled": True, "trustCRDsExist": True},
        "dashboards": {"enabled": True},
        "extraLabels": {"g": "h"},
    },
    "certified": {"enableCertManager": True, "lifecycle": {}},
    "issued": {
        "enableCertManager": True,
        "crossfade": {"certManagerIssuer": {"name": "corp", "kind": "ClusterIssuer"}, "clusterDomain": "corp.example"},
    },
    "traced": {"tracing": {"enabled": True, "provider": "jaeger", "address": "jaeger", "port": 9412}},
    "no-roles": {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "own"}},
    "idle": {"tracing": {"enabled": True, "provider": "x-ray"}, "preview": True, "clusterName": "c"},
}


def key(manifest: dict[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def compare(chart: Chart, values: dict[str, Any], folder: Path, *, apis: tuple[str, ...] = ()) -> None:
    release, namespace = "one-1", "gate-ns"
    by_helm = rendered(chart.name, values, folder, release=release, namespace=namespace, apis=apis)
    context = chart.context(values, release=release, namespace=namespace, apis=frozenset(apis))
    ours = chart.manifests(context)
    assert sorted(map(key, by_helm)) == sorted(map(key, ours))
    assert {key(each): each for each in by_helm} == {key(each): each for each in ours}


@pytest.mark.parametrize("values", GATEWAYS.values(), ids=GATEWAYS.keys())
def test_a_gateway(values: dict[str, Any], tmp_path: Path) -> None:
    compare(GATEWAY_CHART, values, tmp_path)


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_a_gateway_where_kinds_of_the_operator_are_known(kind: str, tmp_path: Path) -> None:
    values = {name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule")}
    compare(GATEWAY_CHART, values, tmp_path, apis=(f"{OPERATOR}/{kind}",))


@pytest.mark.parametrize("values", MESHES.values(), ids=MESHES.keys())
def test_a_mesh(values: dict[str, Any], tmp_path: Path) -> None:
    compare(MESH_CHART, values, tmp_path)


def values_at(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


OFFENDING: dict[str, dict[str, Any]] = {
    "env.database": {"env": {"database": "postgres"}},
    "ingressController.installCRDs": {"ingressController": {"installCRDs": True}},
    "deployment.kong.enabled": {"deployment": {"kong": {"enabled": False}}},
    "ingressController.rbac.enableClusterRoles": {"ingressController": {"rbac": {"enableClusterRoles": False}}},
    "ingressController.serviceAccount.create": {"ingressController": {"serviceAccount": {"create": False}}},
    "ingressController.enabled": {"ingressController": {"enabled": False}},
    "proxy": {"proxy": {"http": {"enabled": False}, "tls": {"enabled": False}}},
}


def offending(remark: Remark) -> dict[str, Any]:
    return OFFENDING.get(remark.path) or values_at(remark.path, True)


@pytest.mark.parametrize(
    ("chart", "remark"),
    [(chart, remark) for chart in (GATEWAY_CHART, MESH_CHART) for remark in chart.table.refused],
    ids=lambda one: getattr(one, "path", getattr(one, "name", "")),
)
def test_what_is_refused_is_so_by_both_in_the_same_words(chart: Chart, remark: Remark, tmp_path: Path) -> None:
    values = offending(remark)
    with pytest.raises(HelmError) as by_helm:
        rendered(chart.name, values, tmp_path, release="r", namespace="n")
    assert remark.message in str(by_helm.value)
    with pytest.raises(RefusedValuesError) as ours:
        chart.manifests(chart.context(values, release="r", namespace="n"))
    assert str(ours.value) == remark.message


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 2},
        {"replicaCount": "2"},
        {"proxy": {"http": {"containerPort": 70000}}},
        {"proxy": {"type": None}},
        {"podLabels": {"app.kubernetes.io/name": "other"}},
        {"env": {"not a name": "x"}},
        {"crossfade": {"compat": "kong-4"}},
        {"ingressController": {"ingressClass": "a..b"}},
        {"image": {"pullSecrets": [{"name": "as-in-a-pod"}]}},
    ],
    ids=str,
)
def test_what_the_schema_forbids_is_forbidden_by_both(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(HelmError, match="don't meet the specifications of the schema"):
        rendered("kong", values, tmp_path, release="kong", namespace="kong")
    with pytest.raises(ValueError, match=r"^[a-z]"):
        GATEWAY_CHART.context(values, release="kong", namespace="kong")


@pytest.mark.parametrize("chart", [GATEWAY_CHART, MESH_CHART], ids=lambda chart: chart.name)
def test_lint_finds_nothing(chart: Chart) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHARTS / chart.name))
