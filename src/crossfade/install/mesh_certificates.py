"""cert-manager in place of the controller's own authority: it makes what the controller finds mounted."""

from typing import Any, Final

from crossfade.install.mesh_names import ADS_SERVICE, NAME, WEBHOOK_SERVICE
from crossfade.install.template.nodes import NAMESPACE, All, Merged, Not, Value, When, first_of, text
from crossfade_kube.meta import JsonObject

# An authority lives long, so that only what it signs is renewed while anybody looks.
_AUTHORITY_LIFETIME: Final = "87600h"
_IS_USED: Final = Value("enableCertManager")
_ISSUER: Final = "crossfade.certManagerIssuer"
_NAME: Final = f"{NAME}-serving-cert"
_AUTHORITY: Final = f"{NAME}-authority"
_SELF_SIGNED: Final = f"{NAME}-self-signed"
_API: Final = "cert-manager.io/v1"
_FOLDER: Final = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - in a container
VOLUME: Final = When(_IS_USED, {"name": "serving-certs", "secret": {"secretName": _NAME}})
MOUNT: Final = When(_IS_USED, {"name": "serving-certs", "mountPath": _FOLDER, "readOnly": True})
INJECTED: Final = When(_IS_USED, {"cert-manager.io/inject-ca-from": text(NAMESPACE, f"/{_NAME}")})
"""Annotations of the registrations: who puts the authority there."""


def certificate_manifests(labels: Merged) -> dict[str, Any]:
    """Without an issuer of the user's own an authority of the release's: it stays while certificates are renewed."""
    of_its_own = All((_IS_USED, Not(Value(f"{_ISSUER}.name"))))
    authority = {
        "isCA": True,
        "commonName": _AUTHORITY,
        "secretName": _AUTHORITY,
        "duration": _AUTHORITY_LIFETIME,
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "issuerRef": {"name": _SELF_SIGNED, "kind": "Issuer"},
    }
    objects: dict[str, tuple[Any, str, str, JsonObject]] = {
        "self-signed.yaml": (of_its_own, "Issuer", _SELF_SIGNED, {"selfSigned": {}}),
        "authority.yaml": (of_its_own, "Certificate", _AUTHORITY, authority),
        "issuer.yaml": (of_its_own, "Issuer", _NAME, {"ca": {"secretName": _AUTHORITY}}),
        "certificate.yaml": (_IS_USED, "Certificate", _NAME, _certificate()),
    }
    return {
        file: When(condition, {**_head(kind, name, labels), "spec": spec})
        for file, (condition, kind, name, spec) in objects.items()
    }


def _head(kind: str, name: str, labels: Merged) -> JsonObject:
    return {
        "apiVersion": _API,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
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
