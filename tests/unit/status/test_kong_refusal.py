"""Which objects get the blame for a resource that the proxy refused."""

import pytest

from crossfade.compile.model import Cluster, Discovery, Origin, ProxyModel
from crossfade.envoy.resource_set import ResourceType
from crossfade.status.kong_refusal import suspects
from crossfade_kube.meta import ObjectRef

SERVICE = ObjectRef("v1", "Service", "demo", "one")
MODEL = ProxyModel(clusters=(Cluster("one", Discovery.EDS, (), Origin(SERVICE)),))


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (ResourceType.CLUSTER, "one", [SERVICE]),
        (ResourceType.ENDPOINTS, "one", [SERVICE]),
        (ResourceType.CLUSTER, "two", []),
        (ResourceType.LISTENER, "one", []),
        (ResourceType.EXTENSION, "gateway-root", []),
        (ResourceType.ROUTES, "gateway", []),
    ],
)
def test_the_objects_that_a_resource_is_made_of(kind: ResourceType, name: str, expected: list[ObjectRef]) -> None:
    assert suspects(kind, name, MODEL) == expected
