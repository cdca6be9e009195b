"""CustomResourceDefinitions of the kinds that a gateway reads; quick to import, without the chart."""

import json
from importlib.resources import files

from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.install.field_descriptions import add_descriptions
from crossfade_kube import yaml_texts
from crossfade_kube.meta import JsonObject, Resource


def gateway_crds() -> list[JsonObject]:
    """CustomResourceDefinitions of all Kong kinds, ordered by name."""
    folder = files("crossfade.install").joinpath("kong")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda each: each.name)
    return [
        add_descriptions(crd) for crd in _unshared([yaml_texts.load(entry.read_text("utf-8")) for entry in entries])
    ]


def gateway_api_crds() -> list[JsonObject]:
    """Of the Gateway API's kinds that the gateway reads: for clusters of our own. Others bring the API itself."""
    return [crd for crd in (gateway_crd(ReferenceGrant.RESOURCE),) if crd is not None]


def gateway_crd(kind: Resource) -> JsonObject | None:
    """The CustomResourceDefinition of one kind that the gateway reads; None for built-in kinds and foreign ones."""
    for folder in ("kong", "gateway_api"):
        entry = files("crossfade.install").joinpath(folder, f"{kind.plural}.yaml")
        if entry.is_file():
            crd: JsonObject = yaml_texts.load(entry.read_text("utf-8"))
            return add_descriptions(crd) if crd["spec"]["group"] == kind.group else None
    return None


def _unshared(objects: list[JsonObject]) -> list[JsonObject]:
    """Parts that objects share would be printed as YAML anchors."""
    return [json.loads(json.dumps(item)) for item in objects]
