"""Whether `crossfade proxy` is a gateway's or a sidecar."""

import pytest

from crossfade.cli.proxy import is_of_kongs_chart


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KONG_DATABASE": "off"}, True),
        ({"KONG_DATABASE": "off", "CROSSFADE_ADS_ADDRESS": "appmesh-controller:18000"}, False),
        ({"CROSSFADE_ADS_ADDRESS": "appmesh-controller:18000"}, False),
        ({"KONGO": "1"}, False),
        ({}, False),
    ],
)
def test_variables_of_kongs_chart_make_it_a_gateways(environment: dict[str, str], *, expected: bool) -> None:
    assert is_of_kongs_chart(environment) is expected
