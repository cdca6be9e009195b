"""Objects → files, a file for each sort of them."""

import json
from typing import Final

import yaml

from crossfade_kube.meta import JsonObject

SECRETS: Final = "secrets.yaml"
_FILES: Final = {
    "Service": "services.yaml",
    "EndpointSlice": "services.yaml",
    "KongUpstreamPolicy": "services.yaml",
    "Ingress": "ingresses.yaml",
    "KongPlugin": "plugins.yaml",
    "KongClusterPlugin": "plugins.yaml",
    "KongVault": "vaults.yaml",
    "KongConsumer": "consumers.yaml",
    "KongConsumerGroup": "consumers.yaml",
    "Secret": SECRETS,
}


def texts_of(objects: list[JsonObject]) -> dict[str, str]:
    """By file name."""
    grouped: dict[str, list[JsonObject]] = {}
    for made in objects:
        grouped.setdefault(_FILES[made["kind"]], []).append(_tidy(made))
    return {name: _dumped(grouped[name]) for name in sorted(grouped)}


def _dumped(objects: list[JsonObject]) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    # Parts that objects share would be printed as anchors.
    plain = json.loads(json.dumps(objects))
    text: str = yaml.dump_all(plain, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _tidy(made: JsonObject) -> JsonObject:
    metadata = {name: value for name, value in made["metadata"].items() if value != {}}
    return {**made, "metadata": metadata}
