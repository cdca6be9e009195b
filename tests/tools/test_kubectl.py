"""A round of commands with the oldest kubectl that is looked after and with that of PyPI: `make test-tools`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import EmbeddedCluster, embedded_cluster

BUILT = Path(__file__).resolve().parents[2] / "build" / "tools" / "kubectl-1.29"
PROGRAMS = {"1.29": BUILT, "PyPI": Path(sys.executable).parent / "kubectl"}
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not BUILT.exists(), reason="`make test-tools` builds kubectl 1.29"),
]

IMAGES = (
    '- {match: "shell:*", argv: [sh, -c, "trap \'exit 0\' TERM; echo started; sleep infinity & wait"], user: 65534}\n'
)
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers: [{name: main, image: "shell:1"}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {key: value}
"""
COMMANDS = """
version
cluster-info
api-resources
api-versions
explain deployment.spec.strategy
explain networkpolicy --recursive
create namespace round
create -n round configmap made --from-literal=a=b
create -n round secret generic made --from-literal=a=b
create -n round serviceaccount made
create -n round role made --verb=get --resource=pods
create -n round rolebinding made --role=made --serviceaccount=round:made
auth can-i get pods -n round --as=system:serviceaccount:round:made
create -n round token made
apply -n round -f {manifest}
apply -n round -f {manifest} --server-side --force-conflicts
diff -n round -f {manifest}
rollout status -n round deployment/web --timeout=30s
wait -n round --for=condition=Available --timeout=30s deployment/web
get all -n round
get -n round deployment web -o yaml
get -n round deployment web -o jsonpath={.spec.replicas}
get -n round pods -o wide --show-labels
get -n round pods -l app=web --field-selector=status.phase=Running -o name
describe -n round deployment web
describe -n round pods
describe node crossfade
logs -n round deployment/web
exec -n round deployment/web -- true
label -n round deployment web tier=front
annotate -n round deployment web note=here
patch -n round deployment web -p {"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}
patch -n round deployment web --type=merge -p {"metadata":{"labels":{"c":"d"}}}
patch -n round deployment web --type=json -p [{"op":"add","path":"/metadata/labels/e","value":"f"}]
scale -n round deployment web --replicas=2
set image -n round deployment/web main=shell:2
set env -n round deployment/web A=b
rollout history -n round deployment/web
rollout restart -n round deployment/web
rollout undo -n round deployment/web
rollout status -n round deployment/web --timeout=30s
expose -n round deployment web --port=80
autoscale -n round deployment web --max=3
run -n round one --image=shell:1 --restart=Never
wait -n round --for=condition=Ready --timeout=30s pod/one
cp -n round {manifest} one:/tmp/copied
events -n round
cordon crossfade
uncordon crossfade
replace -n round -f {manifest}
delete -n round pod one --now
delete -n round -f {manifest}
delete namespace round
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    directory = tmp_path_factory.mktemp("kubectl")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with embedded_cluster(directory / "data", "--bare", "--images", str(images)) as running:
        yield running


@pytest.mark.parametrize("version", sorted(PROGRAMS))
def test_a_round_of_commands(cluster: EmbeddedCluster, tmp_path: Path, version: str) -> None:
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST)
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    failed = []
    for line in COMMANDS.strip().splitlines():
        words = [word.replace("{manifest}", str(manifest)) for word in line.split()]
        command = [str(PROGRAMS[version]), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            failed.append(f"{line}: {done.stderr.strip()}")
    assert not failed, "\n".join(failed)
