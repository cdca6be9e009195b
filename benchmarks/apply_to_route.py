"""From `kubectl apply` returning to the new route answering, on an embedded cluster of its own.

Prints percentiles in milliseconds, and the same for a request to a route that has long been there: the ratio tells
how much of the time is the gateway learning, not answering. Ends by itself.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.cluster import EmbeddedCluster, crossfade, embedded_cluster

BACKEND = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
        - name: echo
          image: crossfade/djapp:v1.0
          env: [{name: HW_RESPONSE, value: hello}]
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{port: 9080}]
"""
ROUTE = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: route-{number}}}
spec:
  ingressClassName: kong
  rules:
    - http:
        paths:
          - path: /route-{number}/
            pathType: Prefix
            backend: {{service: {{name: echo, port: {{number: 9080}}}}}}
"""
DEADLINE_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--others", type=int, default=0, help="Ingresses that are there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded_cluster(Path(folder)) as cluster:
        prepare(cluster)
        if options.others:
            others = (ROUTE.format(number=f"other-{number}") for number in range(options.others))
            cluster.kubectl("apply", "-f", "-", stdin="---".join(others))
            milliseconds_until_200(cluster, f"/route-other-{options.others - 1}/")
        learned, steady = [], []
        for number in range(options.rounds):
            cluster.kubectl("apply", "-f", "-", stdin=ROUTE.format(number=number))
            learned.append(milliseconds_until_200(cluster, f"/route-{number}/"))
            steady.append(milliseconds_until_200(cluster, "/route-0/"))
    report("apply returned → new route answers", learned)
    report("request on a known route", steady)
    print(f"ratio of the medians: {statistics.median(learned) / statistics.median(steady):.1f}")


def prepare(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("create", "namespace", "kong")
    manifests = crossfade("install", "gateway", "--release", "kong", "--namespace", "kong").stdout
    cluster.kubectl("apply", "-f", "-", stdin=manifests)
    cluster.kubectl("apply", "-f", "-", stdin=BACKEND)
    for namespace, deployment in (("kong", "kong-kong"), ("default", "echo")):
        cluster.kubectl("rollout", "status", f"deployment/{deployment}", "-n", namespace, "--timeout=60s")


def milliseconds_until_200(cluster: EmbeddedCluster, path: str) -> float:
    started = time.monotonic()
    while time.monotonic() - started < DEADLINE_S:
        connection = http.client.HTTPConnection(urlsplit(cluster.gateway_url).netloc, timeout=5)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return (time.monotonic() - started) * 1000
        time.sleep(0.001)
    raise TimeoutError(f"{path} did not answer 200 within {DEADLINE_S:.0f} s")


def report(what: str, samples: list[float]) -> None:
    cuts = statistics.quantiles(samples, n=100, method="inclusive")
    print(f"{what}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, {len(samples)} rounds")


if __name__ == "__main__":
    main()
