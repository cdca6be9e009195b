"""`crossfade proxy`: the bootstrap of this pod's Envoy, from the environment; its token; then the launcher.

Only the standard library, because a pod waits for this.
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from crossfade.built import launcher
from crossfade.envoy.bootstrap import NO_SERVICE, STATS_PATHS, STATUS_PATHS, AdminPages, AdsPeer, bootstrap
from crossfade.envoy.probes import ProbedPort, probes_from_text
from crossfade.envoy.telemetry.environment import Traced, traced
from crossfade.envoy.telemetry.keys import (
    AWS_NODE_VARIABLE,
    MESH_VARIABLE,
    NAMESPACE_VARIABLE,
    NODE_VARIABLE,
)
from crossfade.proxy.counting import counting
from crossfade.proxy.envoy_command import STDERR, STREAMS, envoy_command
from crossfade.proxy.kong_part import KongPart
from crossfade.proxy.launch import EndSettings, Plan, become_launcher, hold_signals
from crossfade.proxy.pid_file import noted, pid_file
from crossfade.proxy.preload import preload
from crossfade.proxy.private_file import write_private
from crossfade.proxy.state_folder import StateFolder
from crossfade.proxy.variables import SettingsError, number_of, path_of, pem_of, port_of
from crossfade.proxy.watched_files import ControlPlaneFiles, UnreadableError, control_plane_files
from crossfade.proxy.work_folder import locked_work_folder

if TYPE_CHECKING:
    from crossfade.kong_conf.listen import Listen
    from crossfade.kong_conf.reading import Remark

GATEWAY_ADS: Final = "127.0.0.1:18001"
SDS_SOCKET: Final = "/run/spire/sockets/agent.sock"
LONGEST_DRAIN_S: Final = 20
SIDECAR_LEAST_S: Final = 1
# As long as the slowest of a cluster's nodes may send new connections here: kube-proxy takes a second or two.
GATEWAY_LEAST_S: Final = 5
# A gateway pod of the mesh has a sidecar in the same network namespace, whose admin port is 9901.
GATEWAY_ADMIN_PORT: Final = 9911
NO_MESH: Final = "unknown"
STATISTICS_VARIABLE: Final = "CROSSFADE_ENVOY_STATS"
_NO_FILES: Final = ControlPlaneFiles()


class ControlPlane(NamedTuple):
    """`ca_file`, once it is there, counts in place of `ca_pem`. Without either the connection is plain."""

    address: str
    variable: str
    ca_pem: str | None = None
    ca_file: Path | None = None
    token_file: Path | None = None

    def files(self, folder: Path) -> ControlPlaneFiles:
        """Raises SettingsError."""
        found = control_plane_files(folder, ca_pem=self.ca_pem, ca_file=self.ca_file, token=self.token_file)
        try:
            found.write()
        except UnreadableError as problem:
            raise SettingsError(f"cannot read the token {problem}") from None
        return found

    def peer(self, files: ControlPlaneFiles) -> AdsPeer:
        """Raises SettingsError."""
        host, separator, port = self.address.rpartition(":")
        if not separator or not port.isdigit():
            raise SettingsError(f"{self.variable} is {self.address!r}: it must be host:port")
        return AdsPeer(host.strip("[]"), int(port), *files.targets)


class ProxySettings(NamedTuple):
    """`pod_ip`, where known, gets a read-only view of the statistics on the admin port, for scrapers; `more_ips` too.

    `told` are the settings of Kong that the controller carries out, `remarks` are on others. `mesh` is asked for a
    gateway's identity.
    """

    node_id: str
    ads: ControlPlane
    admin_port: int
    pod_ip: str | None
    status: "tuple[Listen, ...]"
    concurrency: int
    log_level: str
    drain_s: int
    drain_least_s: int
    stands_alone: bool
    waits_for_app_s: int | None
    state_folder: Path | None
    socket_mark: int | None
    stats_tags: tuple[tuple[str, str], ...]
    is_gateway: bool
    log_path: str = STDERR
    name_servers: tuple[tuple[str, int], ...] = ()
    told: Mapping[str, str] = MappingProxyType({})
    remarks: "tuple[Remark, ...]" = ()
    sds_socket: str = ""
    mesh: ControlPlane | None = None
    probes: tuple[ProbedPort, ...] = ()
    more_ips: tuple[str, ...] = ()
    admin_log: str = ""
    counts_requests: bool = True
    has_metric_extension: bool = False
    traced: Traced = Traced()
    keeps_all_statistics: bool = False
    own_names: Mapping[str, str] = MappingProxyType({})
    """For Envoy's environment: under which names its requests are counted."""

    @property
    def counts_for_mesh(self) -> bool:
        """Whether requests of a mesh can come by, and are to be counted."""
        return self.counts_requests and self.own_names.get(MESH_VARIABLE) != NO_MESH


def settings_from_environment(environment: Mapping[str, str], *, is_gateway: bool) -> ProxySettings:
    """The names are those of the App Mesh image where it had one (appmesh.md §4.4)."""
    # Kong's chart tells the proxy neither; there the host's name is the pod's.
    namespace = environment.get("POD_NAMESPACE", "default")
    pod = (
        environment.get("POD_NAME") or environment.get("HOSTNAME", "")
        if is_gateway
        else environment.get("POD_NAME", "")
    )
    kong = _of_kong(environment) if is_gateway else KongPart()
    address = environment.get("CROSSFADE_ADS_ADDRESS", GATEWAY_ADS if is_gateway else "")
    if not address:
        raise SettingsError("CROSSFADE_ADS_ADDRESS is not set: give the control plane's host:port")
    stands_alone = is_gateway or "/virtualGateway/" in environment.get("APPMESH_VIRTUAL_NODE_NAME", "")
    return ProxySettings(
        node_id=f"{namespace}/{pod}",
        ads=_control_plane(environment, "CROSSFADE_ADS", address),
        admin_port=port_of(environment, "ENVOY_ADMIN_ACCESS_PORT", GATEWAY_ADMIN_PORT if is_gateway else 9901),
        pod_ip=None if is_gateway else environment.get("POD_IP") or None,
        status=kong.status,
        concurrency=number_of(environment, "ENVOY_CONCURRENCY", kong.workers or os.cpu_count() or 1),
        log_level=environment.get("ENVOY_LOG_LEVEL") or kong.log_level or "info",
        drain_s=number_of(environment, "LISTENER_DRAIN_WAIT_TIME_S", LONGEST_DRAIN_S),
        drain_least_s=number_of(
            environment, "CROSSFADE_DRAIN_AT_LEAST_S", GATEWAY_LEAST_S if stands_alone else SIDECAR_LEAST_S
        ),
        stands_alone=stands_alone,
        waits_for_app_s=number_of(environment, "CROSSFADE_WAIT_FOR_APP_S", 0) or None,
        state_folder=path_of(environment, "CROSSFADE_STATE_FOLDER"),
        socket_mark=number_of(environment, "CROSSFADE_SOCKET_MARK", 0) or None,
        stats_tags=_stats_tags(environment),
        is_gateway=is_gateway,
        log_path=kong.log_path,
        name_servers=kong.name_servers,
        told=kong.told,
        remarks=kong.remarks,
        sds_socket=environment.get("APPMESH_SDS_SOCKET_PATH") or ("" if is_gateway else SDS_SOCKET),
        mesh=_mesh(environment) if is_gateway else None,
        probes=_probes(environment.get("CROSSFADE_PROBES", "")),
        more_ips=() if is_gateway else _more_ips(environment),
        admin_log=environment.get("ENVOY_ADMIN_ACCESS_LOG_FILE", ""),
        counts_requests=environment.get("CROSSFADE_MESH_METRICS") != "off",
        has_metric_extension=environment.get("APPMESH_METRIC_EXTENSION_VERSION") == "1",
        traced=Traced() if is_gateway else _traced(environment),
        keeps_all_statistics=keeps_all_statistics(environment),
        own_names=_own_names(environment.get("APPMESH_VIRTUAL_NODE_NAME", ""), namespace),
    )


def _control_plane(environment: Mapping[str, str], prefix: str, address: str) -> ControlPlane:
    return ControlPlane(
        address,
        f"{prefix}_ADDRESS",
        pem_of(environment.get(f"{prefix}_CA"), f"{prefix}_CA"),
        path_of(environment, f"{prefix}_CA_FILE"),
        path_of(environment, f"{prefix}_TOKEN_FILE"),
    )


def _of_kong(environment: Mapping[str, str]) -> KongPart:
    """Sidecars need none of it, which would be a fifth of their start before Envoy's."""
    from crossfade.proxy.of_kong import of_kong

    return of_kong(environment)


def _mesh(environment: Mapping[str, str]) -> ControlPlane | None:
    """Of a gateway without a sidecar, as its injector says it."""
    address = environment.get("CROSSFADE_MESH_ADDRESS")
    return _control_plane(environment, "CROSSFADE_MESH", address) if address else None


def _more_ips(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The pod's addresses of the other family, if these are wanted."""
    if environment.get("ENVOY_ADMIN_ACCESS_ENABLE_IPV6") != "true":
        return ()
    found = environment.get("POD_IPS", "").split(",")
    return tuple(ip.strip() for ip in found if ip.strip() not in ("", environment.get("POD_IP")))


def _own_names(path: str, namespace: str) -> dict[str, str]:
    """Of `mesh/<mesh>[@owner]/virtualNode/<name>`; the object's own name unless it has another at AWS."""
    parts = path.split("/")
    mesh, aws_name = (parts[1].partition("@")[0], parts[3]) if len(parts) == 4 else (NO_MESH, "unknown")
    return {
        MESH_VARIABLE: mesh,
        AWS_NODE_VARIABLE: aws_name,
        NODE_VARIABLE: aws_name.removesuffix(f"_{namespace}"),
        NAMESPACE_VARIABLE: namespace,
    }


def _traced(environment: Mapping[str, str]) -> Traced:
    """A wrong tracer costs traces: the pod's traffic does not depend on them."""
    node = environment.get("APPMESH_VIRTUAL_NODE_NAME", "")
    try:
        return traced(environment, node)
    except ValueError as problem:
        return Traced(service=node, remarks=(f"{problem}; this proxy sends no traces until it is right",))


def _probes(text: str) -> tuple[ProbedPort, ...]:
    try:
        return probes_from_text(text)
    except ValueError as problem:
        raise SettingsError(f"CROSSFADE_PROBES cannot be read: {problem}") from None


def _stats_tags(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """`mesh/<mesh>[@owner]/virtualNode/<name>` as App Mesh's tags, if they are switched on (appmesh.md §3.13)."""
    if environment.get("ENABLE_ENVOY_STATS_TAGS") != "1":
        return ()
    parts = environment.get("APPMESH_VIRTUAL_NODE_NAME", "").split("/")
    match parts:
        case ["mesh", mesh, "virtualNode", name]:
            return (("appmesh.mesh", mesh.partition("@")[0]), ("appmesh.virtual_node", name))
        case ["mesh", mesh, "virtualGateway", name]:
            return (("appmesh.mesh", mesh.partition("@")[0]), ("appmesh.virtual_gateway", name))
    return ()


def keeps_all_statistics(environment: Mapping[str, str]) -> bool:
    """Who has tags on Envoy's own statistics reads these. Raises SettingsError."""
    asked = environment.get(STATISTICS_VARIABLE, "")
    if asked not in ("", "all", "needed"):
        raise SettingsError(f"{STATISTICS_VARIABLE} is {asked!r}: it must be all or needed")
    return asked == "all" or (not asked and environment.get("ENABLE_ENVOY_STATS_TAGS") == "1")


def status_pages(listens: "tuple[Listen, ...]") -> tuple[AdminPages, ...]:
    return tuple(AdminPages(one.address, one.port, STATUS_PATHS, one.takes_ipv4_too) for one in listens)


def bootstrap_from_settings(
    settings: ProxySettings,
    files: ControlPlaneFiles = _NO_FILES,
    of_mesh: ControlPlaneFiles = _NO_FILES,
    *,
    has_counts_module: bool = False,
) -> str:
    """`of_mesh` are those of the connection to `settings.mesh`."""
    pages = status_pages(settings.status)
    for address in (*([settings.pod_ip] if settings.pod_ip is not None else ()), *settings.more_ips):
        pages = (*pages, AdminPages(address, settings.admin_port, STATS_PATHS))
    return json.dumps(
        bootstrap(
            node_id=settings.node_id,
            ads=settings.ads.peer(files),
            admin_port=settings.admin_port,
            pages=pages,
            socket_mark=settings.socket_mark,
            stats_tags=settings.stats_tags,
            is_gateway=settings.is_gateway,
            is_sidecar=not settings.stands_alone,
            name_servers=settings.name_servers,
            told=settings.told,
            sds_socket=settings.sds_socket,
            probes=settings.probes,
            probes_address=settings.pod_ip or "0.0.0.0",
            admin_log=settings.admin_log,
            counts_requests=settings.counts_requests,
            has_metric_extension=settings.has_metric_extension,
            service=settings.traced.service or NO_SERVICE,
            tracer=settings.traced.tracer,
            keeps_all_statistics=settings.keeps_all_statistics,
            identities=None if settings.mesh is None else settings.mesh.peer(of_mesh),
            has_counts_module=has_counts_module,
        )
    )


def run_proxy(*, is_gateway: bool) -> int:
    """1: Envoy could not be started, and the reason is on stderr. Else this process becomes its launcher."""
    try:
        settings = settings_from_environment(os.environ, is_gateway=is_gateway)
        for remark in settings.remarks:
            _say(f"{remark.where} {remark.text}")
        for text in settings.traced.remarks:
            _say(text)
        settings = _with_writable_log(settings)
        hold_signals()
        with locked_work_folder("crossfade-proxy-") as (folder, lock), _noted(is_gateway=is_gateway):
            _run(settings, folder, lock)
    except (SettingsError, FileNotFoundError) as error:
        _say(str(error))
        return 1


def _with_writable_log(settings: ProxySettings) -> ProxySettings:
    """Envoy would not start with one that it cannot write."""
    if not settings.admin_log:
        return settings
    try:
        with Path(settings.admin_log).open("ab"):
            return settings
    except OSError as error:
        _say(f"ENVOY_ADMIN_ACCESS_LOG_FILE is {settings.admin_log}: {error.strerror}; the admin port is not logged")
        return settings._replace(admin_log="")


def _noted(*, is_gateway: bool) -> AbstractContextManager[None]:
    return noted(pid_file(os.environ)) if is_gateway else nullcontext()


def _say(text: str) -> None:
    print(f"crossfade proxy: {text}", file=sys.stderr, flush=True)  # noqa: T201 - for people, before there is a log


def _run(settings: ProxySettings, folder: Path, lock: int) -> NoReturn:
    files = settings.ads.files(folder)
    of_mesh = _NO_FILES if settings.mesh is None else settings.mesh.files(folder / "mesh")
    counts = counting(os.environ, folder) if settings.counts_for_mesh else {}
    path = folder / "envoy.json"
    text = bootstrap_from_settings(settings, files, of_mesh, has_counts_module=bool(counts))
    write_private(path, text.encode())
    plan = _plan(settings, path, folder, counts, (*files.for_launcher, *of_mesh.for_launcher))
    state = _state_folder(settings.state_folder)
    try:
        become_launcher(plan, lock)
    except OSError as error:
        raise SettingsError(f"cannot start {launcher()}: {error.strerror}") from None
    finally:
        if state is not None:
            state.close()


def _plan(
    settings: ProxySettings,
    path: Path,
    folder: Path,
    counts: Mapping[str, str],
    files: tuple[tuple[str, str, str], ...],
) -> Plan:
    return Plan(
        envoy_command(path, concurrency=settings.concurrency, log_level=settings.log_level, log_path=settings.log_path),
        environment={**settings.own_names, **counts, **preload(os.environ)},
        logs_to_stdout=STREAMS.get(settings.log_path) == 1,
        end=EndSettings(
            settings.admin_port,
            settings.stands_alone,
            settings.drain_least_s,
            settings.drain_s,
            settings.waits_for_app_s,
        ),
        files=files,
        work_folder=folder,
        state_folder=settings.state_folder,
        pid_file=pid_file(os.environ) if settings.is_gateway else None,
    )


def _state_folder(path: Path | None) -> StateFolder | None:
    try:
        return StateFolder(path) if path is not None else None
    except OSError as error:
        raise SettingsError(f"CROSSFADE_STATE_FOLDER: cannot make {path}: {error.strerror}") from None
