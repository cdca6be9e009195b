"""From `crossfade up` to all pods of the meshed DJ application Ready, and what takes the time. Ends by itself."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster import crossfade, embedded_cluster

from crossfade.demo.walkthrough import RUN_AS_PROXY_USER

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def main() -> None:
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        with embedded_cluster(Path(folder)) as cluster:
            spent["crossfade up, App Mesh controller included"] = time.monotonic() - started
            with timed(spent, "kubectl apply of the application, the mesh and the gateway"):
                cluster.kubectl("apply", "-f", str(EXAMPLES / "djapp/2_meshed_application"))
                cluster.kubectl("apply", "-f", str(EXAMPLES / "djapp/3_canary_new_version"))
                base = (EXAMPLES / "djapp/1_base_application/base_app.yaml").read_text().split("---\n", 1)[1]
                cluster.kubectl("apply", "-f", "-", stdin=base)
                cluster.kubectl("create", "namespace", "kong")
                cluster.kubectl(
                    "label", "namespace", "kong", "mesh=dj-app", "appmesh.k8s.aws/sidecarInjectorWebhook=enabled"
                )
                cluster.kubectl("apply", "-f", str(EXAMPLES / "kong/kongvirtualnode.yml"))
                manifests = crossfade("install", "gateway", "--release", "kong", "--namespace", "kong").stdout
                cluster.kubectl("apply", "-f", "-", stdin=manifests)
                cluster.kubectl("patch", "deployment", "kong-kong", "-n", "kong", "-p", RUN_AS_PROXY_USER)
            with timed(spent, "waiting until all pods are Ready"):
                for namespace in ("prod", "kong"):
                    cluster.kubectl("wait", "deployment", "--all", "-n", namespace, "--for=condition=Available")
    for what, seconds in spent.items():
        print(f"{seconds:5.1f} s  {what}")
    print(f"{sum(spent.values()):5.1f} s  in all")


@contextmanager
def timed(spent: dict[str, float], what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    spent[what] = time.monotonic() - started


if __name__ == "__main__":
    main()
