"""A sidecar's Envoy as `crossfade proxy` starts it, between an application and a node called `jazz`."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import structs

from crossfade.compile.mesh.names import remote_cluster
from crossfade.compile.model import Direction, ProxyModel, ReachedNode
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.telemetry.counted import CountedViews
from crossfade.proxy.counting import counting
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.preload import preload
from crossfade.proxy.run import bootstrap_from_settings, settings_from_environment
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher, Subscription
from crossfade.xds.server import AdsServer
from tests.support.envoy import backend
from tests.support.models import local_cluster, proxy_model, route_to
from tests.support.ports import free_ports

CLUSTER: Final = remote_cluster("dj-app", "jazz_music", "http", 9080)
_PATH: Final = "mesh/dj-app/virtualNode/dj_prod"


def model(directions: Mapping[Direction, int], backend_port: int) -> ProxyModel:
    """Everything goes to the node `jazz`."""
    cluster = structs.replace(local_cluster(CLUSTER, backend_port), reaches=ReachedNode("jazz", "music", "jazz_music"))
    made = proxy_model(route_to(CLUSTER), clusters=(cluster,))
    (listener,), (table,) = made.listeners, made.route_tables
    (host,) = table.virtual_hosts
    listeners = tuple(
        structs.replace(
            listener,
            name=str(direction),
            port=port,
            direction=direction,
            counts_connections=direction is Direction.INBOUND,
        )
        for direction, port in directions.items()
    )
    table = structs.replace(table, virtual_hosts=(structs.replace(host, name="jazz.music.svc.cluster.local"),))
    return structs.replace(made, listeners=listeners, route_tables=(table,))


@asynccontextmanager
async def sidecar(
    tmp_path: Path,
    environment: Mapping[str, str],
    app: int | None = None,
    *,
    has_library: bool = True,
    model_of: Callable[[Mapping[Direction, int], int], ProxyModel] = model,
) -> AsyncIterator[tuple[int, int, int]]:
    """Ports of its outbound and inbound listener and of its admin interface. `app` is the port of another backend.

    It counts requests by the library `counts` if it `has_library`, else as an older image does.
    """
    outbound, inbound, admin = free_ports(3)
    views = CountedViews()

    def seen_by(stream: Subscription, resources: ResourceSet) -> ResourceSet:
        return views.of("p", made, resources, stream.features)

    publisher = Publisher(view=seen_by)
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("p"))
    settings = settings_from_environment(
        {
            "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{server.port}",
            "ENVOY_ADMIN_ACCESS_PORT": str(admin),
            "APPMESH_VIRTUAL_NODE_NAME": _PATH,
            "POD_NAMESPACE": "prod",
            **environment,
        },
        is_gateway=False,
    )
    async with backend("jazz") as jazz:
        ports = {Direction.OUTBOUND: outbound, Direction.INBOUND: inbound}
        made = model_of(ports, app or jazz.port)
        publisher.publish("p", resources_from_model(made, options=EnvoyOptions()))
        counts = counting(environment, tmp_path) if has_library and settings.counts_for_mesh else {}
        process = EnvoyProcess.start(
            bootstrap_from_settings(settings, has_counts_module=bool(counts)),
            workdir=tmp_path,
            log_level="critical",
            environment={**settings.own_names, **counts, **preload(environment)},
        )
        try:
            yield outbound, inbound, admin
        finally:
            process.kill()
            process.wait(10)
            await server.stop()
