"""Golden files of resource sets, and Envoy's own opinion of them."""

from pathlib import Path

import yaml

from crossfade.compile.model import ProxyModel
from crossfade.envoy.dump import plain_resources
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.validate import validate


def dumped(resources: ResourceSet) -> str:
    """Readable YAML, the same for equal sets; without private keys."""
    return yaml.dump(plain_resources(resources), sort_keys=True, width=120, allow_unicode=True)


def assert_golden_xds(model: ProxyModel, expected: Path, *, update: bool, workdir: Path, library: Path | None) -> None:
    """Compares with the file (or rewrites it), then lets Envoy validate the same model.

    The file names the policy module by name; Envoy gets it from `library`, as a proxy would.
    """
    text = dumped(resources_from_model(model, options=EnvoyOptions()))
    if update:
        expected.parent.mkdir(parents=True, exist_ok=True)
        expected.write_text(text)
    assert text == expected.read_text()
    validate(resources_from_model(model, options=EnvoyOptions(policy_library=library)), workdir=workdir)
