"""The verdict of `make reliability ARGS="--churn …"`."""

import pytest

from tests.local.reliability.growth import MIB, growth


@pytest.mark.parametrize(
    ("kind", "samples", "is_too_much"),
    [
        ("memory", [50 * MIB] * 9, False),
        ("memory", [50 * MIB, 90 * MIB, 50 * MIB] * 3, False),
        ("memory", [(50 + 0.2 * number) * MIB for number in range(9)], False),
        ("memory", [(50 + number) * MIB for number in range(9)], True),
        ("memory", [(500 + number) * MIB for number in range(9)], False),
        ("descriptors", [20, 21, 22, 20, 23, 22, 21, 22, 23], False),
        ("descriptors", [20 + number for number in range(9)], True),
        ("rules", [70] * 9, False),
        ("rules", [70, 70, 70, 71, 71, 71, 71, 71, 71], True),
    ],
)
def test_what_grows(kind: str, samples: list[float], is_too_much: bool) -> None:
    assert growth(kind, samples).is_too_much is is_too_much
