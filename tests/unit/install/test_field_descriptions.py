"""Every field of every kind has words for `kubectl explain`, and they change no verdict."""

import copy
from typing import Any

import pytest

from crossfade.install.field_descriptions import add_descriptions, known_descriptions, undescribed
from crossfade.install.gateway import gateway_api_crds, gateway_crds
from crossfade.install.mesh import mesh_crds
from crossfade_kube.meta import JsonObject

CRDS = (*gateway_crds(), *gateway_api_crds(), *mesh_crds())


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd["metadata"]["name"])
def test_no_field_is_without_words(crd: JsonObject) -> None:
    assert undescribed(crd) == []


def test_no_words_are_without_a_field() -> None:
    said = {text for crd in CRDS for text in texts(crd)}
    assert {end for end, words in known_descriptions().items() if words not in said} == set()


def texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    if not isinstance(value, dict):
        return []
    own = [value["description"]] if isinstance(value.get("description"), str) else []
    return [*own, *(text for part in value.values() for text in texts(part))]


def test_nothing_but_words_is_added() -> None:
    schema = {
        "type": "object",
        "properties": {
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "description": "Own words.",
                "properties": {"slots": {"type": "integer"}, "hash_on_header": {"type": "string"}},
            },
        },
    }
    crd = {"spec": {"names": {"kind": "Nobody"}, "versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    before = copy.deepcopy(crd)
    add_descriptions(crd)
    fields: Any = schema["properties"]
    assert fields["metadata"] == {"type": "object"}
    assert fields["spec"]["description"] == "Own words."
    for field in fields["spec"]["properties"].values():
        assert field.pop("description")
    assert crd == before
