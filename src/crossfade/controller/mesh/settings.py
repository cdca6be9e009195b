"""The mesh role's settings: from the flags of App Mesh's controller, then from the environment."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from crossfade import __version__
from crossfade.api.bounds import Misfit, host_name
from crossfade.certs.identities import LONGEST_IDENTITY
from crossfade.controller.mesh import tracing
from crossfade.controller.mesh.flag_table import FLAGS
from crossfade.controller.mesh.flags import Flags, Remark, read_flags
from crossfade.controller.mesh.webhook_tls import WebhookTls
from crossfade.controller.records import records_port
from crossfade.inject.settings import NativeSidecars, SidecarSettings
from crossfade.install.mesh_names import (
    ADS_PORT,
    CLUSTER_DOMAIN,
    HEALTH_PORT,
    METRICS_PORT,
    NAME,
    NAMESPACE,
    WEBHOOK_PORT,
    ads_address,
)
from crossfade.proxy.run import SDS_SOCKET
from crossfade_kube.kubeconfig import cluster_variables

PROXY_IMAGE: Final = f"crossfade/proxy:{__version__}"
INIT_IMAGE: Final = f"crossfade/proxy-init:{__version__}"
_AWS_PROXY, _AWS_INIT = "aws-appmesh-envoy", "aws-appmesh-proxy-route-manager"
_OF_AWS: Final = "names an image of AWS, which cannot be configured from here"
VARIABLES: Final = {
    "CROSSFADE_CLOUD_MAP": "`cluster`: instances of Cloud Map are pods of the cluster; `aws`: AWS is asked, too.",
    "CROSSFADE_CLUSTER_DOMAIN": "The cluster's DNS domain; `cluster.local` unless it is set.",
    "CROSSFADE_IDENTITY_LIFETIME_S": "How many seconds an identity of a sidecar lasts; a day unless it is set.",
    "CROSSFADE_IP_FAMILY": "`ipv4` or `ipv6`: the cluster's, which new Meshes prefer.",
    "CROSSFADE_NATIVE_SIDECARS": "`auto`, `always` or `never`: whether sidecars are native ones.",
    "CROSSFADE_RECORDS_PORT": "For `crossfade tap`, which shows who it is; 18002 unless it is set, `off`: no records.",
    "CROSSFADE_STRANDED_AFTER_S": "After how many seconds without a connection a pod is told; 180 unless it is set.",
    **tracing.VARIABLES,
    "KUBECONFIG": "A file that says where the API server is, in place of the pod's service account.",
    "POD_NAME": "This process among its replicas.",
    "POD_NAMESPACE": "Where its Lease, Secrets and Services are; `appmesh-system` unless it is set.",
}
"""Effects of variables that no flag has."""
_MAX_DIGITS: Final = 7
_SHORTEST_IDENTITY_S: Final = 60
_LONGEST_PATIENCE_S: Final = 86_400


class MeshSettings(Struct, frozen=True):
    """Without `kubeconfig` the pod's own service account is used, with `cluster` (its variables).

    `identity` is the pod's name. What `sidecar` cannot know yet, authority and native sidecars, the role adds.
    An empty `log_level` leaves logging as it is. `remarks` are on flags without effect, `unknown_flags` on no flags.
    """

    kubeconfig: Path | None = None
    cluster: Mapping[str, str] = {}
    namespace: str = NAMESPACE
    identity: str = NAME
    region: str = "us-west-2"
    account_id: str = "000000000000"
    ip_family: str = "ipv4"
    host: str = "0.0.0.0"
    webhook_port: int = WEBHOOK_PORT
    webhook_tls: WebhookTls = WebhookTls()
    ads_port: int = ADS_PORT
    health_port: int = HEALTH_PORT
    metrics_port: int = METRICS_PORT
    sidecar: SidecarSettings = SidecarSettings(
        PROXY_IMAGE, INIT_IMAGE, ads_address(NAMESPACE, CLUSTER_DOMAIN), "", __version__
    )
    cluster_domain: str = CLUSTER_DOMAIN
    uses_aws_cloud_map: bool = False
    uses_fips: bool = False
    dns_ttl_s: int = 300
    uses_backend_groups: bool = True
    elects_leader: bool = True
    identity_lifetime_s: int = 86_400
    stranded_after_s: int = 180
    records_port: int = 0
    log_level: str = ""
    remarks: tuple[Remark, ...] = ()
    unknown_flags: tuple[str, ...] = ()

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], kubeconfig: str | None, arguments: Sequence[str] = ()
    ) -> "MeshSettings":
        """`arguments` are flags of App Mesh's controller; they go before the environment.

        Raises ValueError naming the variable or flag that is wrong.
        """
        flags = read_flags(arguments)
        wanted = tracing.wanted_tracing(environ, flags.values)
        namespace = environ.get("POD_NAMESPACE") or NAMESPACE
        config = kubeconfig or environ.get("KUBECONFIG")
        own = cls(
            kubeconfig=Path(config) if config else None,
            cluster=cluster_variables(environ),
            namespace=namespace,
            identity=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
            region=environ.get("AWS_REGION") or "us-west-2",
            account_id=environ.get("AWS_ACCOUNT_ID") or "000000000000",
            ip_family=_choice(environ, "CROSSFADE_IP_FAMILY", ("ipv4", "ipv6")),
            sidecar=structs.replace(_sidecar(environ, namespace), tracing=wanted.tracing),
            cluster_domain=_cluster_domain(environ),
            uses_aws_cloud_map=_choice(environ, "CROSSFADE_CLOUD_MAP", ("cluster", "aws")) == "aws",
            identity_lifetime_s=_identity_lifetime_s(environ),
            stranded_after_s=_stranded_after_s(environ),
            records_port=records_port(environ),
            remarks=(*flags.remarks, *wanted.remarks),
            unknown_flags=flags.unknown,
        )
        return _with_flags(own, flags)


def _with_flags(own: MeshSettings, flags: Flags) -> MeshSettings:
    fields = {flag.field: flags.values[flag.name] for flag in FLAGS if flag.field and flag.name in flags.values}
    of_sidecar, of_tls = _of("sidecar.", fields), _of("webhook_tls.", fields)
    changed = structs.replace(own, **{name: value for name, value in fields.items() if "." not in name})
    sidecar, more = _images(own.sidecar, flags.values)
    socket_path = _sds_socket(own.sidecar, flags.values)
    return structs.replace(
        changed,
        sidecar=structs.replace(sidecar, region=changed.region, sds_socket=socket_path, **of_sidecar),
        webhook_tls=structs.replace(own.webhook_tls, **of_tls),
        remarks=(*own.remarks, *more),
    )


def _of(part: str, fields: Mapping[str, object]) -> dict[str, object]:
    return {name.removeprefix(part): value for name, value in fields.items() if name.startswith(part)}


def _images(own: SidecarSettings, values: Mapping[str, object]) -> tuple[SidecarSettings, list[Remark]]:
    """AWS's own Envoy takes its configuration from AWS alone."""
    repository, tag, init = (
        values.get(name) for name in ("sidecar-image-repository", "sidecar-image-tag", "init-image")
    )
    remarks = []
    proxy_image, init_image = own.proxy_image, own.init_image
    if repository is not None and _is_named(str(repository), _AWS_PROXY):
        remarks.append(Remark("--sidecar-image-repository", f"{_OF_AWS}: sidecars are {proxy_image}"))
    elif repository is not None or tag is not None:
        proxy_image = f"{repository or _repository(proxy_image)}:{tag or __version__}"
    if init is not None and _is_named(str(init), _AWS_INIT):
        remarks.append(Remark("--init-image", f"{_OF_AWS}: the init container is {init_image}"))
    elif init is not None:
        init_image = str(init)
    return structs.replace(own, proxy_image=proxy_image, init_image=init_image), remarks


def _is_named(image: str, name: str) -> bool:
    return _repository(image).rpartition("/")[2] == name


def _repository(image: str) -> str:
    """Without the tag or digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]


def _sds_socket(own: SidecarSettings, values: Mapping[str, object]) -> str:
    is_enabled, path = values.get("enable-sds"), values.get("sds-uds-path")
    if is_enabled is None:
        return own.sds_socket
    return str(path or own.sds_socket or SDS_SOCKET) if is_enabled else ""


def _sidecar(environ: Mapping[str, str], namespace: str) -> SidecarSettings:
    native = _choice(environ, "CROSSFADE_NATIVE_SIDECARS", tuple(NativeSidecars))
    return SidecarSettings(
        proxy_image=environ.get("CROSSFADE_PROXY_IMAGE") or PROXY_IMAGE,
        init_image=environ.get("CROSSFADE_PROXY_INIT_IMAGE") or INIT_IMAGE,
        ads_address=ads_address(namespace, _cluster_domain(environ)),
        ads_ca_pem="",
        version=__version__,
        log_level=environ.get("CROSSFADE_SIDECAR_LOG_LEVEL") or "info",
        pre_stop_delay_s=_seconds(environ, "CROSSFADE_PRE_STOP_DELAY_S", 0),
        waits_until_ready=environ.get("CROSSFADE_WAIT_UNTIL_PROXY_READY") == "true",
        native=NativeSidecars(native),
        sds_socket=environ.get("CROSSFADE_SDS_SOCKET", ""),
        start_timeout_s=max(_seconds(environ, "CROSSFADE_POST_START_TIMEOUT_S", 180), 1),
    )


def _choice(environ: Mapping[str, str], variable: str, known: tuple[str, ...]) -> str:
    """The first is the default."""
    value = environ.get(variable) or known[0]
    if value not in known:
        raise ValueError(f"{variable} is {value!r}: it must be one of {', '.join(known)}")
    return value


def _cluster_domain(environ: Mapping[str, str]) -> str:
    domain = (environ.get("CROSSFADE_CLUSTER_DOMAIN") or CLUSTER_DOMAIN).strip(".")
    if isinstance(misfit := host_name(domain), Misfit):
        raise ValueError(f"CROSSFADE_CLUSTER_DOMAIN is {domain!r}: {misfit.problem}")
    return domain


def _seconds(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise ValueError(f"{name} is {text!r}: it must be a whole number of seconds")
    return int(text)


def _identity_lifetime_s(environ: Mapping[str, str]) -> int:
    name, longest = "CROSSFADE_IDENTITY_LIFETIME_S", int(LONGEST_IDENTITY.total_seconds())
    found = _seconds(environ, name, 86_400)
    if not _SHORTEST_IDENTITY_S <= found <= longest:
        raise ValueError(f"{name} is {found}: it must be {_SHORTEST_IDENTITY_S} to {longest}")
    return found


def _stranded_after_s(environ: Mapping[str, str]) -> int:
    found = _seconds(environ, name := "CROSSFADE_STRANDED_AFTER_S", 180)
    if not 1 <= found <= _LONGEST_PATIENCE_S:
        raise ValueError(f"{name} is {found}: it must be 1 to {_LONGEST_PATIENCE_S}")
    return found
