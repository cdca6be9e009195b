"""What `crossfade up --capacity` takes."""

import argparse

import pytest

from crossfade.cli.local import _capacity


def test_resources_of_a_node_and_those_of_others() -> None:
    given = "cpu=500m, memory=64Gi,ephemeral-storage=1Ti,pods=250,example.com/gpu=2"
    assert _capacity(given) == {
        "cpu": "500m",
        "memory": "64Gi",
        "ephemeral-storage": "1Ti",
        "pods": "250",
        "example.com/gpu": "2",
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("cup=4", "'cup' is no resource of a node: these are cpu, memory, ephemeral-storage, pods"),
        ("cpu", "'cpu' is not a resource and its quantity"),
        ("", "'' is not a resource and its quantity"),
        ("pods=-1", "'pods=-1' is not a resource and its quantity"),
        ("memory=much", "'much' of memory is not a quantity"),
    ],
)
def test_what_is_none_is_named(given: str, told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{told}"):
        _capacity(given)
