"""Which profile `crossfade explain --kubeconfig` asks by."""

import pytest

from crossfade.controller.gateway.deployed import compat_of, deployed_compat
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject
from tests.support.fake_api import FakeApi, serving


def deployment(name: str, **variables: str) -> JsonObject:
    env = [{"name": key, "value": value} for key, value in variables.items()]
    env.append({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    containers = [{"name": "proxy"}, {"name": "ingress-controller", "env": env}]
    return {
        "metadata": {"namespace": "kong", "name": name},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


OLD = deployment("kong-kong", CROSSFADE_COMPAT="kong-2.1", CONTROLLER_INGRESS_CLASS="kong")
NEW = deployment("inner", CROSSFADE_COMPAT="kong-3", CONTROLLER_INGRESS_CLASS="inner")


@pytest.mark.parametrize(
    ("deployments", "ingress_class", "compat"),
    [
        ([OLD, NEW], "kong", "kong-2.1"),
        ([OLD, NEW], "inner", "kong-3"),
        ([OLD, NEW], "other", None),
        ([deployment("usual", CROSSFADE_COMPAT="kong-2.1")], "kong", "kong-2.1"),
        ([deployment("web", LOG_LEVEL="info"), {"metadata": {"name": "empty"}}], "kong", None),
    ],
)
def test_what_deployments_say(deployments: list[JsonObject], ingress_class: str, compat: str | None) -> None:
    assert compat_of(deployments, ingress_class) == compat


def test_gateways_that_differ() -> None:
    other = deployment("second", CROSSFADE_COMPAT="kong-3")
    with pytest.raises(ValueError, match=r"kong/kong-kong says kong-2\.1, kong/second says kong-3\); choose one"):
        compat_of([OLD, other], "kong")


async def test_a_cluster_is_asked() -> None:
    api = FakeApi()
    api.put("/apis/apps/v1/namespaces/kong/deployments/kong-kong", OLD)
    async with serving(api) as url:
        assert await deployed_compat(ClusterConfig(server=url), "kong") == "kong-2.1"
