"""Which profile the gateways of a cluster answer by, as their Deployments say, for who asks as one of them."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade import __version__
from crossfade.compile.gateway.settings import COMPAT_PROFILES
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import DEPLOYMENT

_USUAL_CLASS: Final = "kong"


async def deployed_compat(config: ClusterConfig, ingress_class: str) -> str | None:
    """Of the gateways of a class; None where no Deployment says it. Raises KubeError, and ValueError if they differ."""
    async with Client(config, user_agent=f"crossfade-explain/{__version__}") as client:
        listed = await client.list(DEPLOYMENT)
    return compat_of(listed.items, ingress_class)


def compat_of(deployments: list[JsonObject], ingress_class: str) -> str | None:
    """Raises ValueError."""
    found: dict[str, str] = {}
    for deployment in deployments:
        metadata = deployment["metadata"]
        for variables in _variables(deployment):
            compat = variables.get("CROSSFADE_COMPAT")
            if compat in COMPAT_PROFILES and variables.get("CONTROLLER_INGRESS_CLASS", _USUAL_CLASS) == ingress_class:
                found.setdefault(compat, f"{metadata.get('namespace', '')}/{metadata['name']}")
    if len(found) > 1:
        said = ", ".join(f"{place} says {compat}" for compat, place in sorted(found.items()))
        raise ValueError(f"gateways of class {ingress_class} answer differently ({said}); choose one with --compat")
    return next(iter(found), None)


def _variables(deployment: JsonObject) -> Iterator[dict[str, Any]]:
    """Of each container, those that have a value here."""
    template = (deployment.get("spec") or {}).get("template") or {}
    for container in (template.get("spec") or {}).get("containers") or ():
        yield {one["name"]: one["value"] for one in container.get("env") or () if "value" in one}
