"""Whatever can be stored compiles, and Envoy takes what comes out.

`pytest --hypothesis-profile=nightly` tries many more objects.
"""

from pathlib import Path
from typing import Final

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings

from crossfade.compile.mesh import ArnScope, MeshModel, compile_with_fallback
from crossfade.compile.model import ProxyModel
from crossfade.envoy.settings import EnvoyOptions
from crossfade.store.snapshot import Snapshot
from tests.support.envoy_batch import refusals
from tests.support.hostile_appmesh import Hostile, objects_of, worlds

EXAMPLES: Final = max(400, settings.default.max_examples)
BATCH: Final = 100


def compiled(world: list[Hostile]) -> MeshModel:
    return compile_with_fallback(Snapshot.of(objects_of(world)), ArnScope(), {}).model


def shown(world: list[Hostile]) -> str:
    return yaml.safe_dump_all([obj for _, obj in world], allow_unicode=False)


@pytest.mark.envoy
@pytest.mark.timeout(3600)
def test_envoy_takes_what_hostile_objects_compile_to(tmp_path: Path) -> None:
    seen: list[tuple[list[Hostile], ProxyModel]] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(worlds())
    def collect(world: list[Hostile]) -> None:
        model = compiled(world)
        assert not model.faults, f"{model.faults}\n{shown(world)}"
        known = [proxy for _, proxy in seen]
        seen.extend((world, proxy) for proxy in model.proxies.values() if proxy not in known[-20:])

    collect()
    refused = {}
    for start in range(0, len(seen), BATCH):
        batch = seen[start : start + BATCH]
        for index, text in refusals([proxy for _, proxy in batch], EnvoyOptions(), workdir=tmp_path).items():
            refused[text] = shown(batch[index][0])
    assert not refused, "\n".join(f"# {text}\n{world}" for text, world in refused.items())
