"""What the objects of a gateway's release are called, as in Kong's chart."""

from typing import Any, Final

from crossfade.install.gateway_defaults import ELECTION as OF_LEADER
from crossfade.install.template.nodes import (
    NAMESPACE,
    RELEASE,
    AppVersion,
    Given,
    Joined,
    Merged,
    Named,
    Unlisted,
    Value,
    When,
    first_of,
    text,
)
from crossfade_kube.meta import JsonObject

# Gateways of different classes in one namespace have a leader each.
ELECTION: Final = first_of(
    Unlisted("ingressController.env.election_id", ""), text(f"{OF_LEADER}-", Value("ingressController.ingressClass"))
)

NAME: Final = Named("kong.name", first_of(Value("nameOverride"), "kong"))
FULLNAME: Final = Named("kong.fullname", first_of(Value("fullnameOverride"), text(RELEASE, "-", NAME)))
# Of what is no namespace's own: two releases of one name may be in two namespaces.
CLUSTER_NAME: Final = Named("kong.clusterName", text(FULLNAME, "-", NAMESPACE))
ACCOUNT: Final = Named(
    "kong.serviceAccountName",
    When(
        Value("deployment.serviceAccount.create"),
        first_of(Value("deployment.serviceAccount.name"), FULLNAME),
        first_of(Value("deployment.serviceAccount.name"), "default"),
    ),
)
ACME_SECRETS: Final = text(FULLNAME, "-acme")
PROXY_SERVICE: Final = Named("kong.proxyServiceName", first_of(Value("proxy.nameOverride"), text(FULLNAME, "-proxy")))
WEBHOOK_NAME: Final = text(CLUSTER_NAME, "-validations")
WEBHOOK_SERVICE: Final = text(FULLNAME, "-validation-webhook")
SELECTOR: Final[dict[str, Any]] = {
    "app.kubernetes.io/component": "app",
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/name": NAME,
}


def labels(*more: Given) -> Merged:
    return Merged({**SELECTOR, "app.kubernetes.io/version": AppVersion()}, (Given("extraLabels"), *more))


def manifest(
    api_version: str,
    kind: str,
    name: Any,
    *,
    namespaced: bool = True,
    annotations: Any = None,
    more_labels: tuple[Given, ...] = (),
    **rest: Any,
) -> JsonObject:
    metadata: JsonObject = {"name": name, "labels": labels(*more_labels)}
    if namespaced:
        metadata["namespace"] = NAMESPACE
    if annotations is not None:
        metadata["annotations"] = annotations
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def image(path: str) -> Any:
    """Of a value with `repository` and `tag`; a tag of its own is asked for with `unifiedRepoTag` in Kong's charts."""
    tagged = text(Value(f"{path}.repository"), ":", first_of(Value(f"{path}.tag"), AppVersion()))
    return Joined("/", (Value("image.registry"), tagged))
