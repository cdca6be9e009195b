"""`crossfade controller mesh` as App Mesh's chart starts it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["mesh", "--prestop-delay=soon"],
            "crossfade controller: --prestop-delay is 'soon': it must be a whole number",
        ),
        (["mesh", "/controller", "--help", "--log-level", "loud"], "crossfade controller: --log-level is 'loud': "),
        ([], "say --role mesh or --role gateway"),
        (["--role", "mesh", "--log-level=loud"], "crossfade controller: --log-level is 'loud': "),
        # The flags are right; there is no cluster here.
        (["mesh", "/controller", "--prestop-delay", "5", "--unheard-of=1"], "KUBERNETES_SERVICE_HOST"),
    ],
)
def test_flags_are_handed_on_as_they_stand(arguments: list[str], says: str) -> None:
    command = [sys.executable, "-m", "crossfade.cli", "controller", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False, env={}, timeout=60)
    assert found.returncode in (1, 2)
    assert says in found.stderr
    assert "Traceback" not in found.stderr
