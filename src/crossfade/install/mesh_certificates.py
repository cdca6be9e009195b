"""cert-manager in place of the controller's own authority: it makes what the controller finds mounted."""

from typing import Any, Final

from crossfade.install.mesh_names import ADS_SERVICE, NAME, WEBHOOK_SERVICE
from crossfade.install.template.nodes import NAMESPACE, All, Merged, Not, Value, When, first_of, text
from crossfade_kube.meta import JsonObject

_IS_USED: Final = Value("enableCertManager")
_ISSUER: Final = "crossfade.certManagerIssuer"
_NAME: Final = f"{NAME}-serving-cert"
_API: Final = "cert-manager.io/v1"
_FOLDER: Final = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - in a container
VOLUME: Final = When(_IS_USED, {"name": "serving-certs", "secret": {"secretName": _NAME}})
MOUNT: Final = When(_IS_USED, {"name": "serving-certs", "mountPath": _FOLDER, "readOnly": True})
INJECTED: Final = When(_IS_USED, {"cert-manager.io/inject-ca-from": text(NAMESPACE, f"/{_NAME}")})
"""Annotations of the registrations: who puts the authority there."""


def certificate_manifests(labels: Merged) -> dict[str, Any]:
    signs_itself = All((_IS_USED, Not(Value(f"{_ISSUER}.name"))))
    return {
        "issuer.yaml": When(signs_itself, {**_head("Issuer", labels), "spec": {"selfSigned": {}}}),
        "certificate.yaml": When(_IS_USED, {**_head("Certificate", labels), "spec": _certificate()}),
    }


def _head(kind: str, labels: Merged) -> JsonObject:
    return {
        "apiVersion": _API,
        "kind": kind,
        "metadata": {"name": _NAME, "namespace": NAMESPACE, "labels": labels},
    }


def _certificate() -> JsonObject:
    """The first name is where sidecars reach the controller: webhooks and their configuration share a port then."""
    names = [
        text(f"{service}.", NAMESPACE, *suffix)
        for service in (WEBHOOK_SERVICE, ADS_SERVICE)
        for suffix in ((".svc",), (".svc.", Value("crossfade.clusterDomain")))
    ]
    issuer = {
        "name": first_of(Value(f"{_ISSUER}.name"), _NAME),
        "kind": When(Value(f"{_ISSUER}.name"), Value(f"{_ISSUER}.kind"), "Issuer"),
    }
    return {"secretName": _NAME, "dnsNames": names, "issuerRef": issuer}
