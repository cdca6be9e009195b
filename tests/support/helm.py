"""A real Helm, where there is one: `make test-charts` builds it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from crossfade_kube import yaml_texts

ROOT: Final = Path(__file__).resolve().parents[2]
CHARTS: Final = ROOT / "charts"
BUILT: Final = ROOT / "build" / "tools" / "helm"


def helm_program() -> str | None:
    """The one that `make test-charts` built, or that is on the PATH."""
    return str(BUILT) if BUILT.exists() else shutil.which("helm")


def helm(*arguments: str, environment: dict[str, str] | None = None, within_s: float = 60) -> str:
    """Its output. Raises HelmError with what it complained of."""
    program = helm_program()
    assert program is not None, "there is no Helm; `make test-charts` builds one"
    done = subprocess.run(
        [program, *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    if done.returncode:
        raise HelmError(done.stderr)
    return done.stdout


class HelmError(Exception):
    """What Helm wrote on standard error."""


def rendered(
    chart: str, values: dict[str, Any], folder: Path, *, release: str, namespace: str, apis: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """What `helm template` makes of a chart, without the definitions of kinds."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    served = [word for api in apis for word in ("--api-versions", api)]
    text = helm(
        "template",
        release,
        str(CHARTS / chart),
        "-n",
        namespace,
        "-f",
        str(file),
        "--kube-version",
        "1.34",
        *served,
        "--skip-tests",
    )
    return [each for each in yaml_texts.load_all(text) if each]
