"""Validation of admission webhook configurations."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.endpoints import validate_service_reference
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.shapes import label_selector
from crossfade_local.values.fields import at, mapping, objects, sequence, text

_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
FAILURE_POLICIES: Final = ("Fail", "Ignore")
MATCH_POLICIES: Final = ("Equivalent", "Exact")
_CHOICES: Final = {
    "failurePolicy": FAILURE_POLICIES,
    "matchPolicy": MATCH_POLICIES,
    "sideEffects": ("None", "NoneOnDryRun"),
}
_FORM: Final = "; desired format: https://host[/path]"


def validate_webhook_configuration(obj: JsonObject) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, webhook in enumerate(objects(obj, "webhooks")):
        place, name = f"webhooks[{index}]", text(webhook, "name")
        yield from _validate_webhook(place, webhook)
        yield from _validate_review_versions(
            f"{place}.admissionReviewVersions", sequence(webhook, "admissionReviewVersions")
        )
        if name in taken:
            yield duplicate(f"{place}.name", name)
        taken.add(name)


def _validate_webhook(field: str, webhook: JsonObject) -> Iterator[FieldError]:
    yield from _validate_name(f"{field}.name", text(webhook, "name"))
    for index, rule in enumerate(objects(webhook, "rules")):
        yield from validate_rule(f"{field}.rules[{index}]", rule)
    for name, supported in _CHOICES.items():
        value = webhook.get(name)
        if name == "sideEffects" and value is None:
            yield required(f"{field}.sideEffects", f"must specify one of {', '.join(supported)}")
        elif value is not None and value not in supported:
            yield not_supported(f"{field}.{name}", value, supported)
    seconds = webhook.get("timeoutSeconds")
    if isinstance(seconds, int) and not 1 <= seconds <= 30:
        yield invalid(f"{field}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    for name in ("namespaceSelector", "objectSelector"):
        yield from label_selector(f"{field}.{name}", webhook.get(name))
    policy = webhook.get("reinvocationPolicy")
    if policy is not None and policy not in ("IfNeeded", "Never"):
        yield not_supported(f"{field}.reinvocationPolicy", policy, ("IfNeeded", "Never"))
    yield from _validate_client(f"{field}.clientConfig", mapping(webhook, "clientConfig"))


def _validate_name(field: str, name: str) -> Iterator[FieldError]:
    if not name:
        yield required(field)
    elif problems := names.dns_subdomain(name):
        yield invalid(field, name, ",".join(problems))
    elif name.count(".") < 2:
        yield invalid(field, name, "should be a domain with at least three segments separated by dots")


def validate_rule(field: str, rule: JsonObject) -> Iterator[FieldError]:
    operations = sequence(rule, "operations")
    yield from _validate_list(f"{field}.operations", operations, "operations")
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield not_supported(f"{field}.operations[{index}]", operation, _OPERATIONS)
    yield from _validate_list(f"{field}.apiGroups", sequence(rule, "apiGroups"), "API groups")
    versions = sequence(rule, "apiVersions")
    yield from _validate_list(f"{field}.apiVersions", versions, "API versions")
    for index, version in enumerate(versions):
        if not version:
            yield required(f"{field}.apiVersions[{index}]")
    yield from _validate_resources(f"{field}.resources", sequence(rule, "resources"))
    scope = rule.get("scope")
    if scope is not None and scope not in ("*", "Cluster", "Namespaced"):
        yield not_supported(f"{field}.scope", scope, ("*", "Cluster", "Namespaced"))


def _validate_list(field: str, values: list[str], what: str) -> Iterator[FieldError]:
    if not values:
        yield required(field)
    if len(values) > 1 and "*" in values:
        yield invalid(field, values, f"if '*' is present, must not specify other {what}")


def _validate_resources(field: str, resources: list[str]) -> Iterator[FieldError]:
    if not resources:
        yield required(field)
    for index, resource in enumerate(resources):
        if not resource:
            yield required(f"{field}[{index}]")
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(field, resources, "if '*/*' is present, must not specify other resources")
    if (
        len(resources) > 1
        and "*" in resources
        and any("/" not in resource for resource in resources if resource != "*")
    ):
        said = "if '*' is present, must not specify other resources without subresources"
        yield invalid(field, resources, said)


def _validate_client(field: str, client: JsonObject) -> Iterator[FieldError]:
    url, service = at(client, "url"), at(client, "service")
    if (url is None) == (service is None):
        yield required(field, "exactly one of url or service is required")
    elif isinstance(url, str):
        yield from _validate_url(f"{field}.url", url)
    elif isinstance(service, dict):
        yield from validate_service_reference(f"{field}.service", service)


def _validate_url(field: str, url: str) -> Iterator[FieldError]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield required(field, f"url must be a valid URL: {error}{_FORM}")
        return
    if parts.scheme != "https":
        yield invalid(field, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    if not parts.netloc:
        yield invalid(field, parts.netloc, f"host must be specified{_FORM}")
    if parts.username is not None:
        yield invalid(field, parts.username, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(field, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(field, parts.query, "query parameters are not permitted in the URL")


def _validate_review_versions(field: str, versions: list[str]) -> Iterator[FieldError]:
    if not versions:
        yield required(field, "must specify one of v1, v1beta1")
        return
    taken: set[str] = set()
    for index, version in enumerate(versions):
        if version in taken:
            yield invalid(f"{field}[{index}]", version, "duplicate version")
        elif problems := names.dns1035_label(version):
            yield invalid(f"{field}[{index}]", version, ",".join(problems))
        taken.add(version)
    if not {"v1", "v1beta1"} & set(versions):
        yield invalid(field, versions, "must include at least one of v1, v1beta1")
