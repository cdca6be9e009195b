"""Registration of the gateway's admission webhook: Kong's names and kinds."""

from typing import Any, Final

from crossfade.api.kong.service_facade import FACADE_GROUP
from crossfade.install.gateway_chart.access import KONG_KINDS
from crossfade.install.gateway_chart.names import SELECTOR, WEBHOOK_NAME, WEBHOOK_SERVICE, manifest
from crossfade.install.template.nodes import NAMESPACE, Given, Value, When
from crossfade_kube.meta import JsonObject

_VALUES: Final = "ingressController.admissionWebhook"
_CHANGES: Final = ("CREATE", "UPDATE")
# Only looked at when they are written, to say that they have no effect.
_WITHOUT_EFFECT: Final = ("konglicenses",)


def webhook() -> dict[str, Any]:
    """The controller fills in `caBundle`; until then, and whenever it is away, objects are taken unchecked."""
    enabled = Value(f"{_VALUES}.enabled")
    return {
        "validation-webhook-service.yaml": When(enabled, _service()),
        "validation-webhook.yaml": When(enabled, _configuration()),
    }


def _service() -> JsonObject:
    port = {"name": "webhook", "port": 443, "targetPort": Value(f"{_VALUES}.port"), "protocol": "TCP"}
    return manifest("v1", "Service", WEBHOOK_SERVICE, spec={"selector": SELECTOR, "ports": [port]})


def _configuration() -> JsonObject:
    kinds = _webhook(
        "validations.kong.konghq.com",
        _rule("configuration.konghq.com", "*", *KONG_KINDS, *_WITHOUT_EFFECT),
        _rule(FACADE_GROUP, "*", "kongservicefacades"),
        _rule("networking.k8s.io", "v1", "ingresses"),
    )
    secrets = _rule("", "v1", "secrets")
    credentials = _webhook("credentials.validation.kong.konghq.com", secrets)
    plugins = _webhook("plugins.validation.kong.konghq.com", secrets)
    services = _webhook("services.validation.kong.konghq.com", _rule("", "v1", "services"))
    with_credentials = {"matchExpressions": [{"key": "konghq.com/credential", "operator": "Exists"}]}
    has_override = "has(object.metadata.annotations) && 'konghq.com/override' in object.metadata.annotations"
    return manifest(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        WEBHOOK_NAME,
        namespaced=False,
        annotations=Given(f"{_VALUES}.annotations"),
        webhooks=[
            kinds,
            {**credentials, "objectSelector": with_credentials},
            {**plugins, "objectSelector": {"matchLabels": {"konghq.com/validate": "plugin"}}},
            # Of all Services of the cluster only those that it has something to say on.
            {**services, "matchConditions": [{"name": "has-override", "expression": has_override}]},
        ],
    )


def _webhook(name: str, *rules: JsonObject) -> JsonObject:
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": Value(f"{_VALUES}.failurePolicy"),
        "timeoutSeconds": Value(f"{_VALUES}.timeoutSeconds"),
        "namespaceSelector": Given(f"{_VALUES}.namespaceSelector"),
        "clientConfig": {"service": {"name": WEBHOOK_SERVICE, "namespace": NAMESPACE, "path": "/", "port": 443}},
        "rules": list(rules),
    }


def _rule(group: str, version: str, *resources: str) -> JsonObject:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(_CHANGES),
        "resources": list(resources),
    }
