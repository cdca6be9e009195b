"""Which clusters have native sidecars."""

import pytest

from crossfade.controller.mesh.server_version import version_has_native_sidecars
from crossfade.controller.mesh.settings import MeshSettings


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ({"major": "1", "minor": "29"}, True),
        ({"major": "1", "minor": "29+"}, True),
        ({"major": "1", "minor": "28"}, False),
        ({"major": "1", "minor": "9"}, False),
        ({"major": "2", "minor": "0"}, True),
        ({"major": "", "minor": ""}, False),
        ({}, False),
        ([], False),
        ({"major": None, "minor": "x" * 5000}, False),
    ],
)
def test_versions(version: object, expected: bool) -> None:
    assert version_has_native_sidecars(version) is expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CROSSFADE_NATIVE_SIDECARS", "yes"),
        ("CROSSFADE_PRE_STOP_DELAY_S", "-1"),
        ("CROSSFADE_PRE_STOP_DELAY_S", "²"),
        ("CROSSFADE_POST_START_TIMEOUT_S", "9" * 5000),
    ],
)
def test_wrong_settings_are_named(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{variable} is "):
        MeshSettings.from_environment({variable: value}, None)


def test_settings_of_sidecars() -> None:
    environ = {"CROSSFADE_NATIVE_SIDECARS": "never", "CROSSFADE_PRE_STOP_DELAY_S": "20"}
    settings = MeshSettings.from_environment(environ, None)
    assert (settings.sidecar.native, settings.sidecar.pre_stop_delay_s) == ("never", 20)
    assert settings.sidecar.start_timeout_s == 180
