"""The manifests on the plugins' pages: nothing is wrong with them."""

import base64
import re
from pathlib import Path

import pytest
import yaml

from crossfade.compile.gateway.compiler import INPUT_KINDS, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.policies import registry
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode_known, kinds_by_gvk

READMES = sorted(Path(registry.__file__).parent.glob("*/README.md"))
KINDS = kinds_by_gvk(INPUT_KINDS)


def manifests(readme: Path) -> list[JsonObject]:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    return [with_data(item) for block in blocks for item in yaml.safe_load_all(block)]


def with_data(item: JsonObject) -> JsonObject:
    """As the Kubernetes API keeps Secrets."""
    texts = item.pop("stringData", {})
    data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    return {**item, "data": data} if data else item


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.parent.name)
def test_examples_are_right(readme: Path) -> None:
    items = manifests(readme)
    objects = [one for item in items if (one := decode_known(item, KINDS)) is not None]
    assert len(objects) == len(items)
    found = compile_gateway(Snapshot.of(objects), CompileSettings(salt=b"salt"))
    assert [str(one) for one in found.diagnostics] == []
