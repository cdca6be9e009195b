"""The recordings of a real Kubernetes, replayed on a whole embedded cluster: `make test-transcripts`.

`test_transcripts.py` replays them in `make test`, where pods are only pretended. Here containers run, and everything
happens in the node's network, where webhooks on 127.0.0.1 are reached. As root. With names (`17-rollout`): only those.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from crossfade_local.data_dir import DataDir
from tests.support.cluster import EmbeddedCluster, embedded_cluster

RECORDINGS = Path(__file__).parent / "transcripts"
KUBECTL = Path(sys.executable).parent / "kubectl"
API_IN_THE_NODE = "https://10.96.0.1:443"
# Those that need what a cluster for people does not do: forget old revisions within seconds.
NOT_HERE = ("31-expired",)
# A Service of type LoadBalancer has an address here; in the recordings it waits for one.
DIFFERS = {("18-services", 2), ("18-services", 3), ("18-services", 5), ("30-seed-walk", 15)}
IMAGES = """
- match: "*"
  argv: [sleep, infinity]
"""


def main(names: list[str]) -> int:
    chosen = [path for path in sorted(RECORDINGS.glob("*.yaml")) if _is_chosen(path.stem, names)]
    with tempfile.TemporaryDirectory(prefix="crossfade-transcripts-") as folder:
        images = Path(folder, "images.yaml")
        images.write_text(IMAGES)
        with embedded_cluster(Path(folder, "cluster"), "--bare", "--images", str(images)) as cluster:
            return _replay(cluster, chosen)


def _is_chosen(name: str, names: list[str]) -> bool:
    return name in names if names else name not in NOT_HERE


def _replay(cluster: EmbeddedCluster, recordings: list[Path]) -> int:
    node = next(_in_other_networks(DataDir(cluster.data_dir).running_pid()))
    kubeconfig = _seen_from_the_node(cluster.kubeconfig)
    results = cluster.data_dir.with_name("results.json")
    options = ["--quiet", "--json", str(results), "--kubectl", str(KUBECTL)]
    replay = [sys.executable, str(RECORDINGS / "replay.py"), *options, str(kubeconfig), *map(str, recordings)]
    command = ["nsenter", "--target", str(node), "--net", "--", *replay]
    subprocess.run(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    failed = [one for one in json.loads(results.read_text()) if not one["ok"]]
    unknown = [one for one in failed if (one["file"], one["step"]) not in DIFFERS]
    print(f"{len(failed) - len(unknown)} steps differ by design, {len(unknown)} otherwise")
    return 1 if unknown else 0


def _in_other_networks(pid: int) -> Iterator[int]:
    """The processes below this one which have a network of their own, the nearest first."""
    ours = Path("/proc/self/ns/net").readlink()
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        if Path(f"/proc/{child}/ns/net").readlink() != ours:
            yield child
        yield from _in_other_networks(child)


def _seen_from_the_node(kubeconfig: Path) -> Path:
    content = yaml.safe_load(kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = API_IN_THE_NODE
    inner = kubeconfig.with_name("kubeconfig-in-the-node")
    inner.touch(mode=0o600)
    inner.write_text(yaml.safe_dump(content))
    return inner


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
