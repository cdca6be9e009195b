"""Values that fields may have, in the documents that `kubectl explain` reads."""

from typing import Any

import orjson
import pytest
from generate.kubernetes_types import RELEASE

from crossfade_local.apiserver.discovery.enumerations import enumerations
from crossfade_local.apiserver.discovery.openapi import OpenApi
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.version import KUBERNETES_VERSION


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(BuiltinTypes.load())


def properties(registry: Registry, path: str, definition: str) -> dict[str, Any]:
    document = OpenApi(registry).document(path)
    assert document is not None
    found: dict[str, Any] = orjson.loads(document)["components"]["schemas"][definition]["properties"]
    return found


def test_documents_name_them(registry: Registry) -> None:
    pod = properties(registry, "api/v1", "io.k8s.api.core.v1.PodSpec")
    assert pod["restartPolicy"]["enum"] == ["Always", "Never", "OnFailure"]
    assert pod["restartPolicy"]["description"].endswith('values:\n - `"Always"`\n - `"Never"`\n - `"OnFailure"`')
    port = properties(registry, "api/v1", "io.k8s.api.core.v1.ContainerPort")
    assert '\n - `"TCP"` is the TCP protocol.\n' in port["protocol"]["description"]
    request = properties(
        registry, "apis/certificates.k8s.io/v1", "io.k8s.api.certificates.v1.CertificateSigningRequestSpec"
    )
    assert "cert sign" in request["usages"]["items"]["enum"]
    debugging = properties(registry, "api/v1", "io.k8s.api.core.v1.EphemeralContainer")
    assert debugging["imagePullPolicy"]["enum"] == ["Always", "IfNotPresent", "Never"]


def test_validation_knows_nothing_of_them(registry: Registry) -> None:
    assert "enum" not in registry.types.raw("io.k8s.api.core.v1.PodSpec")["properties"]["restartPolicy"]


def test_each_of_them_is_a_text_of_a_known_field(registry: Registry) -> None:
    for definition, fields in enumerations().items():
        known = registry.types.definitions.schemas.get(definition)
        for field in fields if known is not None else ():
            found = known["properties"].get(field.removesuffix("[]"), {"type": "string", "items": {"type": "string"}})
            assert (found["items"] if field.endswith("[]") else found)["type"] == "string", (definition, field)


def test_schemas_are_of_the_version_that_the_server_says_it_is() -> None:
    assert RELEASE == KUBERNETES_VERSION
