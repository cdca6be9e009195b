"""What a real Kong 3.9.1 answered (recorded in `kong-truth/`), replayed against `crossfade gateway run`.

Recordings about routing mark every route by a response-transformer, which this gateway lacks. Here a rate limit of a
number of its own stands for each mark, so that the answer still tells which route was taken.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from crossfade_kube.meta import JsonObject
from tests.support.cluster import free_ports

TRUTH = Path(__file__).parent / "kong-truth"
FIRST_MARK = 100_000
LIMIT_HEADER = "X-RateLimit-Limit-Hour"
UNMARKED_HEADERS = [f"--ignore-header=RateLimit-{part}" for part in ("Limit", "Remaining", "Reset")]

WHOLE = (
    "10-key-auth-basic",
    "11-key-auth-fields",
    "20-rate-limit-hour",
    "21-rate-limit-periods",
    "22-rate-limit-fields",
    "23-rate-limit-consumer",
    "24-rate-limit-scope",
    "25-rate-limit-consumer-and-route",
    "26-rate-limit-minute",
    "27-rate-limit-burst",
    "34-strip-path",
    "36-preserve-host",
    "38-no-route",
    "39-https-only",
    "40-upstream-errors",
    "41-headers-upstream",
    "45-default-backend",
    "50-basic-auth",
    "53-acl",
    "54-ip-restriction",
    "56-cors",
)
MARKED = (
    "30-routing-path-types",
    "31-routing-priority",
    "32-routing-hosts",
    "33-routing-methods-headers",
    "35-path-normalisation",
)
# Steps, numbered from 1, that Envoy decides before any filter: an absolute request target replaces Host (RFC 9112); a
# fragment or raw bytes in the target are refused; Upgrade is taken out of a 426; several X-Forwarded-For are joined; a
# request without Host has none to send on; several lines of Vary are one.
DIFFERENT = {
    "32-routing-hosts": {15},
    "35-path-normalisation": {18, 22},
    "39-https-only": {1, 2, 8, 9},
    "41-headers-upstream": {3, 23},
    "56-cors": {12},
}

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(180)]


class Gateway(NamedTuple):
    folder: Path
    url: str


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("manifests")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "crossfade.cli", "gateway", "run", "-f", str(folder), "--http-port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line.endswith("ready\n"):
                    break
            else:
                pytest.fail(f"the gateway did not start: {lines}")
            yield Gateway(folder, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.communicate(timeout=10)


def replay(gateway: Gateway, recording: Path, *options: str) -> None:
    manifest = gateway.folder / "case.yaml"
    command = [
        *(sys.executable, str(TRUTH / "replay.py"), "--url", gateway.url, "-q", "--exact", "--settle", "0.4"),
        *("--apply", f"cat > '{manifest}'", "--delete", f"rm '{manifest}'"),
        *options,
        str(recording),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", WHOLE)
def test_answers_are_kongs(gateway: Gateway, name: str, tmp_path: Path) -> None:
    replay(gateway, written(tmp_path, name, recorded(name)))


@pytest.mark.parametrize("name", MARKED)
def test_routes_are_chosen_as_kong_does(gateway: Gateway, name: str, tmp_path: Path) -> None:
    recording = recorded(name)
    manifests = list(yaml.safe_load_all(recording["manifests"]))
    marks = {mark: FIRST_MARK + index for index, mark in enumerate(filter(None, map(mark_of, manifests)))}
    recording["manifests"] = yaml.safe_dump_all([with_limit(item, marks) for item in manifests], sort_keys=False)
    recording["steps"] = [expecting_limit(step, marks) for step in recording["steps"]]
    replay(gateway, written(tmp_path, name, recording), *UNMARKED_HEADERS)


def recorded(name: str) -> JsonObject:
    """Without the steps that are known to differ."""
    recording: JsonObject = yaml.safe_load((TRUTH / f"{name}.yaml").read_text())
    different = DIFFERENT.get(name, set())
    steps = [step for number, step in enumerate(recording["steps"], 1) if number not in different]
    return {**recording, "steps": steps}


def written(folder: Path, name: str, recording: JsonObject) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recording, sort_keys=False, allow_unicode=True))
    return path


def mark_of(item: JsonObject) -> str | None:
    """The value of X-Route that the object adds to responses."""
    if item["kind"] != "KongPlugin" or item["plugin"] != "response-transformer":
        return None
    (header,) = item["config"]["add"]["headers"]
    name, _, value = header.partition(":")
    return str(value) if name == "X-Route" else None


def with_limit(item: JsonObject, marks: dict[str, int]) -> JsonObject:
    mark = mark_of(item)
    return item if mark is None else {**item, "plugin": "rate-limiting", "config": {"hour": marks[mark]}}


def expecting_limit(step: JsonObject, marks: dict[str, int]) -> JsonObject:
    headers = dict(step["response"].get("headers") or {})
    mark = headers.pop("X-Route", None)
    if mark is not None:
        headers[LIMIT_HEADER] = str(marks[mark])
    return {**step, "response": {**step["response"], "headers": headers}}
