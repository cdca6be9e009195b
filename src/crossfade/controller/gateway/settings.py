"""The gateway role's settings, from the environment variables that Kong's chart sets for its controller."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from crossfade.api.bounds import Misfit, host_name
from crossfade.certs.authorities import system_authorities
from crossfade.certs.default_certificate import admin_certificate, client_certificate, default_certificate
from crossfade.compile.gateway.acme_store import secret_names
from crossfade.compile.gateway.settings import (
    COMPAT_PROFILES,
    IDENTITY_HEADERS,
    MISSING_PLUGINS,
    CompileSettings,
    Environment,
)
from crossfade.compile.model import ServerCertificate
from crossfade.controller.mounted_certificate import CertificateFiles, mounted_files
from crossfade.controller.records import records_port
from crossfade.install.gateway_defaults import ACME_SECRETS, ELECTION_ID, HEALTH_PORT, METRICS_PORT
from crossfade.kong_conf.files import with_files_read
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.reading import Remark, read_settings
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.sources import Given, from_environment
from crossfade.kong_conf.told import misplaced
from crossfade_kube.kubeconfig import cluster_variables
from crossfade_kube.meta import NamespacedName

# Kong's own.
ADMIN_API_PORT: Final = 8001
ADS_ADDRESS: Final = "127.0.0.1:18001"
# Where Kong's charts mount the webhook's certificate.
WEBHOOK_FILES: Final = "/admission-webhook"
# The ports of the gateway's Service for those of its pods.
_PUBLIC_PORTS: Final = ((8000, 80), (8443, 443))


class WebhookSettings(Struct, frozen=True):
    """`configuration` names the ValidatingWebhookConfiguration, `service` its Service and the Secret with its keys.

    Where a chart has mounted `files` its certificate counts, and the registration is the chart's own.
    """

    port: int
    configuration: str
    service: NamespacedName
    files: CertificateFiles | None = None


class GatewaySettings(Struct, frozen=True):
    """Without `kubeconfig` the pod's own service account is used, with `cluster` (its variables).

    `identity` must differ between replicas; `lease` is the one they elect their leader on. `remarks` are on settings
    of Kong that have no effect; `kong_names` are those that were given, whatever the proxy says.
    """

    compile: CompileSettings
    lease: NamespacedName
    identity: str
    kubeconfig: Path | None = None
    cluster: Mapping[str, str] = {}
    publish_service: NamespacedName | None = None
    ads_address: str = ADS_ADDRESS
    health_port: int = HEALTH_PORT
    metrics_port: int = METRICS_PORT
    webhook: WebhookSettings | None = None
    admin_listen: tuple[Listen, ...] = (Listen("127.0.0.1", ADMIN_API_PORT),)
    admin_certificate: ServerCertificate | None = None
    records_port: int = 0
    remarks: tuple[Remark, ...] = ()
    kong_names: frozenset[str] = frozenset()

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], kubeconfig: str | None, *, remarks: tuple[Remark, ...] = ()
    ) -> "GatewaySettings":
        """Raises ValueError naming the variable that is wrong. `remarks` are on what gave `environ`."""
        kubeconfig = kubeconfig or environ.get("CONTROLLER_KUBECONFIG")
        namespace = environ.get("POD_NAMESPACE") or "kong"
        reading = read_settings(_kong_sources(environ), KongSettings(port_maps=_PUBLIC_PORTS))
        if reading.errors:
            raise ValueError("\n".join(reading.errors))
        kong = with_files_read(reading.settings)
        return cls(
            compile=CompileSettings(
                namespace=namespace,
                ingress_class=environ.get("CONTROLLER_INGRESS_CLASS") or "kong",
                compat=_choice(environ, "CROSSFADE_COMPAT", COMPAT_PROFILES),
                server_token=environ.get("CROSSFADE_SERVER_TOKEN", ""),
                kong=kong,
                missing_plugins=_choice(environ, "CROSSFADE_MISSING_PLUGINS", MISSING_PLUGINS),
                identity_headers=_choice(environ, "CROSSFADE_IDENTITY_HEADERS", IDENTITY_HEADERS),
                environment=Environment(environ),
                salt=secrets.token_bytes(16),
                default_certificate=default_certificate(kong),
                client_certificate=client_certificate(kong),
                # The proxy's image holds the same files.
                authorities=system_authorities(),
                acme_secrets=secret_names(namespace, environ.get("CROSSFADE_ACME_SECRETS") or ACME_SECRETS),
                mesh_node=_mesh_node(environ),
                records=bool(records_port(environ)),
                has_mesh_identity=environ.get("CROSSFADE_MESH_IDENTITIES") == "enabled",
                cluster_domain=_cluster_domain(environ),
            ),
            lease=NamespacedName(namespace, environ.get("CONTROLLER_ELECTION_ID") or ELECTION_ID),
            identity=environ.get("POD_NAME") or f"gateway-{secrets.token_hex(4)}",
            kubeconfig=Path(kubeconfig) if kubeconfig else None,
            cluster=cluster_variables(environ),
            publish_service=_name(environ, "CONTROLLER_PUBLISH_SERVICE"),
            ads_address=environ.get("CROSSFADE_ADS_ADDRESS") or ADS_ADDRESS,
            health_port=_health_port(environ),
            metrics_port=_port(environ, "CONTROLLER_METRICS_BIND_ADDRESS", str(METRICS_PORT)),
            webhook=_webhook(environ, namespace),
            admin_listen=_admin_listen(environ, kong),
            admin_certificate=admin_certificate(kong),
            records_port=records_port(environ),
            remarks=(*remarks, *reading.remarks, *misplaced(reading)),
            kong_names=frozenset(reading.given),
        )


def _mesh_node(environ: Mapping[str, str]) -> str:
    """As the injector says it to the pods that a VirtualNode selects; it makes no sidecar for such a gateway."""
    path = environ.get("APPMESH_VIRTUAL_NODE_NAME", "")
    if path and "/virtualNode/" not in path:
        raise ValueError(f"APPMESH_VIRTUAL_NODE_NAME is {path!r}: it must be mesh/<mesh>/virtualNode/<node>")
    if not path and environ.get("CROSSFADE_MESH_NATIVE") == "true":
        raise ValueError(
            "CROSSFADE_MESH_NATIVE is set, and no VirtualNode selected this pod when it was created: label the "
            "namespace for its mesh and for injection, create the VirtualNode, and delete the pod"
        )
    return path


def _cluster_domain(environ: Mapping[str, str]) -> str:
    domain = (environ.get("CROSSFADE_CLUSTER_DOMAIN") or "cluster.local").strip(".")
    if isinstance(misfit := host_name(domain), Misfit):
        raise ValueError(f"CROSSFADE_CLUSTER_DOMAIN is {domain!r}: {misfit.problem}")
    return domain


def _kong_sources(environ: Mapping[str, str]) -> tuple[Mapping[str, Given], ...]:
    """Kong's own variables, then ours that came before them."""
    trusted = environ.get("CROSSFADE_TRUSTED_IPS")
    ours = {"trusted_ips": Given(trusted, "CROSSFADE_TRUSTED_IPS")} if trusted else {}
    return from_environment(environ), ours


def _admin_listen(environ: Mapping[str, str], kong: KongSettings) -> tuple[Listen, ...]:
    """Our own variable, which came first, is a port of loopback, or `off`."""
    variable = "CROSSFADE_ADMIN_API_PORT"
    if environ.get(variable) == "off":
        return ()
    if kong.admin_listen is not None and not environ.get(variable):
        return kong.admin_listen
    return (Listen("127.0.0.1", _port(environ, variable, str(ADMIN_API_PORT))),)


def _webhook(environ: Mapping[str, str], namespace: str) -> WebhookSettings | None:
    """Off without an address, as with Kong."""
    listen = environ.get("CONTROLLER_ADMISSION_WEBHOOK_LISTEN") or "off"
    configuration = environ.get("CROSSFADE_WEBHOOK_CONFIGURATION", "")
    files = mounted_files(
        environ.get("CONTROLLER_ADMISSION_WEBHOOK_CERT_FILE") or f"{WEBHOOK_FILES}/tls.crt",
        environ.get("CONTROLLER_ADMISSION_WEBHOOK_KEY_FILE") or f"{WEBHOOK_FILES}/tls.key",
    )
    if listen == "off" or not (configuration or files):
        return None
    port = _port(environ, "CONTROLLER_ADMISSION_WEBHOOK_LISTEN", listen)
    service = environ.get("CROSSFADE_WEBHOOK_SERVICE") or "kong-kong-validation-webhook"
    return WebhookSettings(port, configuration, NamespacedName(namespace, service), files)


def _health_port(environ: Mapping[str, str]) -> int:
    original = environ.get("CONTROLLER_HEALTH_PROBE_BIND_ADDRESS")
    if original and not environ.get("CROSSFADE_HEALTH_PORT"):
        return _port(environ, "CONTROLLER_HEALTH_PROBE_BIND_ADDRESS", original)
    return _port(environ, "CROSSFADE_HEALTH_PORT", str(HEALTH_PORT))


def _choice(environ: Mapping[str, str], variable: str, known: tuple[str, ...]) -> str:
    """The first is the default."""
    value = environ.get(variable) or known[0]
    if value not in known:
        raise ValueError(f"{variable} is {value!r}: it must be {' or '.join(known)}")
    return value


def _name(environ: Mapping[str, str], variable: str) -> NamespacedName | None:
    value = environ.get(variable)
    if not value:
        return None
    namespace, _, name = value.partition("/")
    if not namespace or not name:
        raise ValueError(f"{variable} is {value!r}: it must be namespace/name")
    return NamespacedName(namespace, name)


def _port(environ: Mapping[str, str], variable: str, default: str) -> int:
    """The part after the last colon, for `host:port` too."""
    text = (environ.get(variable) or default).rpartition(":")[2]
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{variable}: {text!r} is not a port")
    return int(text)
