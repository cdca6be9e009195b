"""Objects that the gateway cannot carry out, in a cluster: their authors are told, the others go live at once.

The controller's role runs here against the embedded API server, with the Envoy that it configures.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.envoy import backend, until
from tests.support.gateway import ingress
from tests.support.gateway_role import RESOURCES, kong_api, running

pytestmark = pytest.mark.envoy

BAD = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
config: {minute: 5, error_code: 700}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: caller, annotations: {kubernetes.io/ingress.class: kong}}
username: caller
credentials: [key]
---
apiVersion: v1
kind: Secret
metadata: {name: key, labels: {konghq.com/credential: key-auth}}
stringData: {key: sesame, ttl: "9999999999999"}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: odd}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {path: '/~/odd\\C', pathType: ImplementationSpecific, backend: {service: {name: one, port: {number: 80}}}}
---
"""
# Kind and name to what its Event says.
TOLD = {
    ("KongPlugin", "limit"): "error_code",
    ("Ingress", "limited"): "answered 503",
    ("KongConsumer", "caller"): "Failed to parse ttl",
    ("Ingress", "odd"): "unrecognized escape",
    ("Service", "slow"): "the annotation is ignored",
}


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    async with kong_api(tmp_path / "api") as found:
        yield found


def local_service(name: str, annotations: str = "") -> str:
    """A Service on this machine; a cluster's endpoints may not be."""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n"
        "spec: {type: ExternalName, externalName: 127.0.0.1}\n---\n"
    )


def route(name: str, service: str, port: int, annotations: str = "") -> str:
    return ingress(name, f"/{name}", service, annotations).replace("number: 80", f"number: {port}")


async def test_bad_objects_are_told_and_good_ones_go_live(kubeconfig: Path, tmp_path: Path) -> None:
    async with running(kubeconfig, tmp_path) as lab, backend("one") as one, backend("two") as two:
        await lab.apply(BAD + route("limited", "here", one.port, "konghq.com/plugins: limit"))
        await lab.apply(local_service("slow", 'konghq.com/read-timeout: "-5"') + route("slow", "slow", one.port))
        await lab.apply(local_service("here") + route("good", "here", one.port))
        await lab.until_body("/good", "one")
        await lab.apply(route("good", "here", two.port))
        await lab.until_body("/good", "two")
        await lab.until_body("/slow", "one")
        assert (await lab.get("/limited")).status == 503
        assert (await lab.get("/odd")).status == 404

        async def all_told() -> bool:
            found = await lab.events()
            return TOLD.keys() == {
                (kind, name) for kind, name, message in found if TOLD.get((kind, name), "\0") in message
            }

        await until(all_told)

        async def judged() -> bool:
            return [
                await lab.condition("KongPlugin", "limit", "Programmed"),
                await lab.condition("KongConsumer", "caller", "CredentialSecretRefsValid"),
                await lab.condition("KongConsumer", "caller", "Programmed"),
            ] == ["False", "False", "True"]

        await until(judged)
    # A new control plane and a new proxy find all of it there.
    async with running(kubeconfig, tmp_path) as lab, backend("two") as two:
        await lab.apply(route("good", "here", two.port))
        await lab.until_body("/good", "two")
        assert (await lab.get("/limited")).status == 503

        await lab.client.patch(RESOURCES["KongPlugin"], "limit", {"config": {"error_code": 429}}, namespace="default")

        async def mended() -> bool:
            return await lab.condition("KongPlugin", "limit", "Programmed") == "True"

        await until(mended)
