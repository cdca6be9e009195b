"""`crossfade top`: what goes through a gateway, and who is turned away."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(60)]

KEYS = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: keys}
plugin: key-auth
---
apiVersion: v1
kind: Secret
metadata: {name: ann-key, labels: {konghq.com/credential: key-auth}}
stringData: {key: ann-key}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
credentials: [ann-key]
---
"""


def top(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crossfade.cli", "top", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def shown(*arguments: str) -> dict[str, Any]:
    done = top(*arguments, "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[RunningGateway, str]]:
    """With the address of its status page; it has no plugin prometheus."""
    (status,) = free_ports(1)
    with upstream("web") as port:
        closed = ingress("closed", "/closed", "web", 'konghq.com/plugins: "keys"')
        (folder / "all.yaml").write_text(KEYS + service("web", port) + ingress("open", "/open", "web") + closed)
        with running_gateway(folder, settings={"KONG_STATUS_LISTEN": f"127.0.0.1:{status}"}) as running:
            yield running, f"http://127.0.0.1:{status}"


def test_routes_and_consumers_of_a_gateway_alone(tmp_path: Path) -> None:
    with gateway(tmp_path) as (running, status):
        nothing = top("--status", status, "--total")
        assert (nothing.returncode, nothing.stdout) == (0, "no requests since the proxies have started\n")
        answers = [running.get(path, {"apikey": key}).status for path, key in REQUESTS]
        assert answers == [200, 200, 200, 401, 404]

        routes = routes_by_ingress(status)
        (consumer,) = shown("consumers", "--status", status, "--total")["consumers"]
        text = top("--status", status, "--window", "500ms")

        lines = watched(running, status)

        # A change of the configuration takes nothing of it away.
        (tmp_path / "more.yaml").write_text(ingress("more", "/more", "web"))
        eventually(lambda: running.get("/more").status == 200)
        again = routes_by_ingress(status)
    assert routes["open"]["classes"] == {"2xx": 2}
    assert routes["closed"]["classes"] == {"2xx": 1, "4xx": 1}
    assert routes["closed"]["refused"] == [{"policy": "key-auth", "code": "401", "requests": 1}]
    assert routes["open"]["p95"] is not None
    assert (consumer["consumer"], consumer["classes"]) == ("ann", {"2xx": 1})
    assert lines[1]["routes"][0]["route"].startswith("default.open.")
    assert lines[1]["window"] == pytest.approx(0.5, abs=0.4)
    assert again["closed"]["classes"] == routes["closed"]["classes"]
    assert text.stdout == "no requests in the last 1 s\n"


def routes_by_ingress(status: str) -> dict[str, Any]:
    rows = shown("routes", "--status", status, "--total")["routes"]
    assert [list(row["classes"]) for row in rows if row["route"] == "(no route)"] == [["4xx"]]
    return {row["route"].split(".")[1]: row for row in rows if row["service"]}


def watched(running: RunningGateway, status: str) -> list[dict[str, Any]]:
    """Two looks, with requests before the second."""
    command = [sys.executable, "-m", "crossfade.cli", "top", "--watch", "--window", "500ms", "--status", status]
    # Tests that run in the background may have it ignored, and so would what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command, "--output", "json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = []
        for _ in range(2):
            found.append(json.loads(process.stdout.readline()))
            running.get("/open")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    return found


REQUESTS = [("/open", ""), ("/open", ""), ("/closed", "ann-key"), ("/closed", "nobody's"), ("/nowhere", "")]


def test_where_nobody_answers_it_says_so() -> None:
    (free,) = free_ports(1)
    done = top("--status", f"127.0.0.1:{free}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        f"crossfade top: http://127.0.0.1:{free}: no connection: Connection refused",
        "crossfade top: no proxy could be read",
    ]
    # Nothing is known, which is not that there were no requests.
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--status", "http://127.0.0.1:1", "-n", "prod"),
        ("--status", "ftp://127.0.0.1"),
        ("--window", "10"),
        ("--total", "--watch"),
        ("pods",),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert top(*arguments).returncode == 2
