"""What people apply first: applications as their authors write them, whose programs are not root."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import EmbeddedCluster, embedded_cluster

pytestmark = pytest.mark.cluster

IMAGES = """
- {match: "postgres:*", argv: [sh, -c, "trap 'exit 0' TERM; id > $PGDATA.id; sleep infinity & wait"]}
- {match: "nginx:*", argv: [python3, -m, http.server, "8080", --directory, /usr/share/nginx/html]}
- {match: "busybox:*", argv: [sh]}
"""
SOON_S = 60.0
POSTGRES = """
apiVersion: v1
kind: Secret
metadata: {name: postgres}
stringData: {password: s3cr3t, tls.key: key}
---
apiVersion: v1
kind: Service
metadata: {name: postgres}
spec: {clusterIP: None, selector: {app: postgres}, ports: [{port: 5432, name: postgres}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  serviceName: postgres
  selector: {matchLabels: {app: postgres}}
  template:
    metadata: {labels: {app: postgres}}
    spec:
      securityContext: {runAsUser: 999, runAsGroup: 999, fsGroup: 999}
      containers:
      - name: postgres
        image: postgres:16
        resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 128Mi}}
        env:
        - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
        - {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: postgres, key: password}}}
        readinessProbe: {exec: {command: [sh, -c, 'test -s $PGDATA.id']}, periodSeconds: 1}
        volumeMounts:
        - {name: data, mountPath: /var/lib/postgresql/data, subPath: postgres}
        - {name: tls, mountPath: /tls, readOnly: true}
        - {name: token, mountPath: /token}
      volumes:
      - {name: tls, secret: {secretName: postgres, defaultMode: 0400, items: [{key: tls.key, path: tls.key}]}}
      - {name: token, projected: {sources: [{serviceAccountToken: {path: token, audience: vault}}]}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
NGINX = """
apiVersion: v1
kind: ConfigMap
metadata: {name: site}
data: {index.html: "blue train", nginx.conf: "server {}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx}
spec:
  replicas: 2
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: nginx}}
      securityContext: {runAsNonRoot: true, runAsUser: 101, seccompProfile: {type: RuntimeDefault}}
      initContainers:
      - name: prepare
        image: busybox:1.36
        command: [sh, -c, "echo prepared for $(POD) > /prepared/note"]
        env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        volumeMounts: [{name: work, mountPath: /prepared}]
      containers:
      - name: nginx
        image: nginx:1.27
        ports: [{name: http, containerPort: 8080}]
        securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, failureThreshold: 60}
        livenessProbe: {tcpSocket: {port: http}}
        lifecycle: {preStop: {sleep: {seconds: 1}}}
        volumeMounts:
        - {name: site, mountPath: /usr/share/nginx/html/index.html, subPath: index.html}
        - {name: site, mountPath: /etc/nginx/nginx.conf, subPath: nginx.conf}
        - {name: work, mountPath: /prepared, readOnly: true}
        - {name: info, mountPath: /info}
      volumes:
      - {name: site, configMap: {name: site}}
      - {name: work, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
      - {name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
---
apiVersion: v1
kind: Service
metadata: {name: nginx}
spec: {selector: {app: nginx}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: nginx}
spec: {minAvailable: 1, selector: {matchLabels: {app: nginx}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nginx}
spec:
  podSelector: {matchLabels: {app: nginx}}
  ingress: [{from: [{podSelector: {matchLabels: {app: postgres}}}], ports: [{port: http}]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: report, image: "busybox:1.36", command: [sh, -c, "echo reported"]}]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    directory = tmp_path_factory.mktemp("first")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with embedded_cluster(directory / "data", "--bare", "--images", str(images)) as running:
        running.kubectl("apply", "-f", "-", stdin=POSTGRES)
        running.kubectl("apply", "-f", "-", stdin=NGINX)
        for workload in ("statefulset/postgres", "deployment/nginx"):
            running.kubectl("rollout", "status", workload, f"--timeout={SOON_S:g}s")
        yield running


def inside(cluster: EmbeddedCluster, workload: str, script: str) -> str:
    return cluster.kubectl("exec", workload, "--", "sh", "-c", script).strip()


def test_a_database_that_is_not_root_writes_its_data_and_reads_its_key(cluster: EmbeddedCluster) -> None:
    said = inside(
        cluster, "statefulset/postgres", "stat -c '%u %g' $PGDATA.id; cat /tls/tls.key; echo; echo $POSTGRES_PASSWORD"
    )
    assert said.split() == ["999", "999", "key", "s3cr3t"]
    files = inside(cluster, "statefulset/postgres", "stat -L -c '%a %u %g' /tls/tls.key /token/token")
    assert files.splitlines() == ["440 0 999", "640 999 999"]


def test_a_web_server_serves_its_config_map_to_whom_the_policy_lets_in(cluster: EmbeddedCluster) -> None:
    assert inside(cluster, "statefulset/postgres", "curl -s -m 10 http://nginx/") == "blue train"
    said = inside(cluster, "deployment/nginx", "cat /prepared/note; cat /etc/nginx/nginx.conf; echo; cat /info/labels")
    assert "prepared for nginx-" in said
    assert "server {}" in said
    assert 'app="nginx"' in said


def test_a_budget_and_a_schedule_are_kept(cluster: EmbeddedCluster) -> None:
    budget: dict[str, Any] = json.loads(cluster.kubectl("get", "pdb", "nginx", "-o", "json"))
    assert budget["status"]["disruptionsAllowed"] == 1
    cluster.kubectl("create", "job", "now", "--from=cronjob/report")
    cluster.kubectl("wait", "--for=condition=Complete", "job/now", f"--timeout={SOON_S:g}s")
    assert cluster.kubectl("logs", "job/now").strip() == "reported"


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-shells}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CONNECT], resources: [pods/exec]}]
  matchConditions: [{name: web, expression: request.name.startsWith('nginx-')}]
  validations:
  - expression: "!(object.command[0] in params.data.forbidden.split(','))"
    messageExpression: "object.command[0] + ' is not for users'"
    reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-shells}
spec:
  policyName: no-shells
  paramRef: {name: shells, namespace: default, parameterNotFoundAction: Deny}
  validationActions: [Deny]
"""
DENIED = "ValidatingAdmissionPolicy 'no-shells' with binding 'no-shells' denied request: sh is not for users"


def test_a_policy_refuses_with_what_its_parameters_say(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("create", "configmap", "shells", "--from-literal=forbidden=bash,sh")
    cluster.kubectl("apply", "-f", "-", stdin=POLICY)
    try:
        with pytest.raises(subprocess.CalledProcessError) as refused:
            inside(cluster, "deployment/nginx", "true")
        assert DENIED in refused.value.stderr
        assert cluster.kubectl("exec", "deployment/nginx", "--", "echo", "hello") == "hello\n"
        assert inside(cluster, "statefulset/postgres", "echo hello") == "hello"
        shown = cluster.kubectl("get", "validatingadmissionpolicies,validatingadmissionpolicybindings")
        lines = [line.split()[:4] for line in shown.splitlines() if "no-shells" in line]
        kind = "validatingadmissionpolicy"
        assert lines[0][:3] == [f"{kind}.admissionregistration.k8s.io/no-shells", "1", "v1/ConfigMap"]
        assert lines[1][:3] == [f"{kind}binding.admissionregistration.k8s.io/no-shells", "no-shells", "default/shells"]
        assert "Deny" in cluster.kubectl("explain", "validatingadmissionpolicybinding.spec.validationActions")
        cluster.kubectl("apply", "-f", "-", "--server-side", "--force-conflicts", stdin=POLICY)
    finally:
        cluster.kubectl("delete", "-f", "-", stdin=POLICY)
    assert inside(cluster, "deployment/nginx", "echo again") == "again"
