"""The configurations that a real Kong 3.9.1 had when it was recorded, migrated and replayed: the answers are Kong's."""

from pathlib import Path

import pytest
import yaml

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.migrate.deck.convert import converted
from crossfade.migrate.deck.output import Options
from crossfade.migrate.deck.reading import deck_tree
from crossfade_kube.meta import JsonObject
from tests.compat.test_kong_truth import (
    RECORDINGS,
    Gateway,
    gateway,
    needs_more,
    own_gateway,
    recorded,
    replay,
    written,
)

__all__ = ["gateway"]
pytestmark = [pytest.mark.envoy, pytest.mark.timeout(180)]

# It waits for new minutes; what a migrated limit becomes, the other recordings of limits show.
WAITS_LONG = {"26-rate-limit-minute"}
# What the replay fills in: an address and ports that stand for it while the file is migrated.
PLACES = {"${ECHO_IP}": "127.9.9.9", "${ECHO_PORT}": "64999", "${DEAD_PORT}": "64998"}


@pytest.mark.parametrize("name", [name for name in RECORDINGS if not needs_more(name) and name not in WAITS_LONG])
def test_answers_are_kongs(gateway: Gateway, name: str, tmp_path: Path) -> None:
    replay(gateway, migrated_recording(tmp_path, name))


@pytest.mark.parametrize("name", [name for name in RECORDINGS if needs_more(name)])
def test_answers_are_kongs_with_its_settings(name: str, tmp_path: Path) -> None:
    with own_gateway(name, tmp_path / "manifests") as one:
        replay(one, migrated_recording(tmp_path, name))


def migrated_recording(folder: Path, name: str) -> Path:
    recording = recorded(name)
    return written(folder, name, {**recording, "manifests": migrated(recording["kong"])})


def migrated(configuration: JsonObject) -> str:
    text = yaml.safe_dump(configuration)
    for place, value in PLACES.items():
        text = text.replace(place, value)
    made = converted(deck_tree({"kong.yaml": text}), Options(), CompileSettings(stands_alone=True))
    found = "---\n".join(made.texts.values())
    for place, value in PLACES.items():
        found = found.replace(f"'{value}'", place).replace(value, place)
    return found
