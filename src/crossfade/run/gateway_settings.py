"""The gateway role's settings, from the environment variables that Kong's chart sets for its controller."""

import secrets
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from crossfade.api.meta import NamespacedName
from crossfade.compile.gateway.settings import COMPAT_PROFILES, CompileSettings
from crossfade.kube.kubeconfig import ClusterConfig
from crossfade.run.default_certificate import self_signed_certificate

ADS_ADDRESS: Final = "127.0.0.1:18001"
HEALTH_PORT: Final = 10254
_PUBLIC_PORTS: Final = ((8000, 80), (8443, 443))


class WebhookSettings(Struct, frozen=True):
    """`configuration` names the ValidatingWebhookConfiguration, `service` its Service and the Secret with its keys."""

    port: int
    configuration: str
    service: NamespacedName


class GatewaySettings(Struct, frozen=True):
    """`identity` must differ between replicas; `lease` is the one they elect their leader on."""

    cluster: ClusterConfig
    compile: CompileSettings
    lease: NamespacedName
    identity: str
    publish_service: NamespacedName | None = None
    ads_address: str = ADS_ADDRESS
    health_port: int = HEALTH_PORT
    webhook: WebhookSettings | None = None


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which and what to do."""


def gateway_settings(environment: Mapping[str, str], cluster: ClusterConfig) -> GatewaySettings:
    """Raises SettingsError."""
    namespace = environment.get("POD_NAMESPACE") or cluster.namespace
    compat = environment.get("CROSSFADE_COMPAT") or "kong-3"
    if compat not in COMPAT_PROFILES:
        raise SettingsError(f"CROSSFADE_COMPAT is {compat!r}: use {' or '.join(COMPAT_PROFILES)}")
    return GatewaySettings(
        cluster=cluster,
        compile=CompileSettings(
            ingress_class=environment.get("CONTROLLER_INGRESS_CLASS") or "kong",
            compat=compat,
            server_token=environment.get("CROSSFADE_SERVER_TOKEN", ""),
            trusted_ips=tuple(part for part in environment.get("CROSSFADE_TRUSTED_IPS", "").split(",") if part),
            port_maps=_PUBLIC_PORTS,
            salt=secrets.token_bytes(16),
            default_certificate=self_signed_certificate(),
        ),
        lease=NamespacedName(
            namespace, environment.get("CONTROLLER_ELECTION_ID") or "kong-ingress-controller-leader-kong"
        ),
        identity=environment.get("POD_NAME") or f"gateway-{secrets.token_hex(4)}",
        publish_service=_name(environment, "CONTROLLER_PUBLISH_SERVICE"),
        ads_address=environment.get("CROSSFADE_ADS_ADDRESS") or ADS_ADDRESS,
        health_port=_port(environment.get("CROSSFADE_HEALTH_PORT") or str(HEALTH_PORT), "CROSSFADE_HEALTH_PORT"),
        webhook=_webhook(environment, namespace),
    )


def _webhook(environment: Mapping[str, str], namespace: str) -> WebhookSettings | None:
    """Off without an address, as with Kong."""
    listen = environment.get("CONTROLLER_ADMISSION_WEBHOOK_LISTEN", "off")
    configuration = environment.get("CROSSFADE_WEBHOOK_CONFIGURATION")
    if listen == "off" or not configuration:
        return None
    port = _port(listen.rpartition(":")[2], "CONTROLLER_ADMISSION_WEBHOOK_LISTEN")
    service = environment.get("CROSSFADE_WEBHOOK_SERVICE") or "kong-kong-validation-webhook"
    return WebhookSettings(port, configuration, NamespacedName(namespace, service))


def _name(environment: Mapping[str, str], variable: str) -> NamespacedName | None:
    value = environment.get(variable)
    if not value:
        return None
    namespace, separator, name = value.partition("/")
    if not separator or not namespace or not name:
        raise SettingsError(f"{variable} is {value!r}: it must be namespace/name")
    return NamespacedName(namespace, name)


def _port(text: str, variable: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise SettingsError(f"{variable}: {text!r} is not a port")
    return int(text)
