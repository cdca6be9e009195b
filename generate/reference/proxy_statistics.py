"""The page on Envoy's own statistics: which proxies keep."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.mesh.choices import STATUSES_BY_CLUSTER
from crossfade.envoy.telemetry.own_statistics import BY_KIND, PREFIXES
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


def proxy_statistics_page() -> str:
    return page(_INTRODUCTION, "## What is kept", table(("statistics", "of these"), _rows()))


def _rows() -> Iterator[tuple[str, str]]:
    for kind, names in BY_KIND.items():
        yield code(f"{kind}.*"), ", ".join(code(name.replace("[.]", ".").replace(".*", "*")) for name in names)
    for prefix in PREFIXES:
        yield code(f"{prefix}*"), "all"
