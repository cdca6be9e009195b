"""The page on Envoy's own statistics: which proxies keep."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.mesh.choices import STATUSES_BY_CLUSTER
from crossfade.envoy.telemetry.own_statistics import BY_KIND, PREFIXES
from crossfade.envoy.telemetry.stats_log import MOST_COUNTERS, MOST_HISTOGRAMS
from crossfade.proxy.run import STATISTICS_VARIABLE
from generate.reference.markdown import code, page, table

_INTRODUCTION: Final = f"""\
# Statistics of proxies

Gateways, sidecars and virtual gateways keep those of Envoy's own statistics that metrics, alerts, the Admin API and
people who look for a fault need. The others are not made: they would cost requests time and, for each cluster, memory.

`{STATISTICS_VARIABLE}` in a proxy's environment, of a sidecar by `appmesh.k8s.aws/sidecarEnv`:

- `needed`, the default: what the table below says;
- `all`: whatever Envoy counts. It is the default where App Mesh's tags are on (`ENABLE_ENVOY_STATS_TAGS=1`, the flag
  `--enable-stats-tags` of the mesh's controller).

Answers by cluster and status (`cluster.<name>.upstream_rq_2xx`, `upstream_rq_404`, `upstream_rq_completed`, the
histogram `upstream_rq_time`), and the errors of each host (`rq_error` at `/clusters`), are counted for a Mesh with the
annotation `{STATUSES_BY_CLUSTER.key}: enabled`. `crossfade_requests_total` and
`crossfade_request_duration_milliseconds` have the same by who calls whom; `kong_http_requests_total` by route.
`http.*.downstream_rq_2xx` is always there.

With `needed`, `cluster.<name>.upstream_*` are made when the cluster is first used: until then they are missing, and
mean 0. A cluster that is never used takes 22 KiB of a proxy's memory then, in place of 40.
"""


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


_EDGES: Final = f"""\
## What counting a mesh's requests takes

A sidecar has a counter for each node that it has called, of each service, with each class of statuses and each reason
of a failure; and a histogram for each node of each service. Envoy has allocated for them, of nodes that have answered
with one class of statuses (`python -m benchmarks.edge_memory`):

| nodes called | for each node |
| --- | --- |
| 100 | 4.8 KiB |
| 1 000 | 5.1 KiB |
| 10 000 | 1.8 KiB: those above {_spaced(MOST_HISTOGRAMS)} have no histogram |

So a counter takes 1 KiB, a histogram 4. A proxy has {_spaced(MOST_COUNTERS)} counters and {_spaced(MOST_HISTOGRAMS)}
histograms at most: 28 MiB. What would need more is not counted, which Envoy's log says once. Where a node is called it
counts one node, itself. Clusters take more than what counts them: 70 KiB for each that has been called, its connection
included.
"""


def proxy_statistics_page() -> str:
    return page(_INTRODUCTION, "## What is kept", table(("statistics", "of these"), _rows()), _EDGES)


def _rows() -> Iterator[tuple[str, str]]:
    for kind, names in BY_KIND.items():
        yield code(f"{kind}.*"), ", ".join(code(name.replace("[.]", ".").replace(".*", "*")) for name in names)
    for prefix in PREFIXES:
        yield code(f"{prefix}*"), "all"
