"""Alert rules as Prometheus reads them, and dashboards. `test_walkthrough.py` asks a Prometheus in a cluster."""

import subprocess
from pathlib import Path

import pytest
import yaml
from generate.dashboards import FOLDER, texts


@pytest.mark.parametrize("name", ["alerts.yaml", "prometheus-rule.yaml"])
def test_rules_are_right(name: str, tmp_path: Path) -> None:
    rules = yaml.safe_load((FOLDER / name).read_text())
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules.get("spec", rules)))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(texts()), ids=lambda path: path.name)
def test_what_is_generated_is_current(path: Path) -> None:
    assert path.read_text() == texts()[path], "run `python -m generate.dashboards`"
