"""What a real Kong 3.9.1 answered (recorded in `kong-truth/`), replayed against `crossfade gateway run`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from crossfade_kube.meta import JsonObject
from tests.support.gateway import eventually
from tests.support.name_server import name_server
from tests.support.ports import free_ports

TRUTH = Path(__file__).parent / "kong-truth"
DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"

RECORDINGS = (
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
    "30-routing-path-types",
    "31-routing-priority",
    "32-routing-hosts",
    "33-routing-methods-headers",
    "34-strip-path",
    "35-path-normalisation",
    "36-preserve-host",
    "37-service-upstream",
    "38-no-route",
    "39-https-only",
    "40-upstream-errors",
    "41-headers-upstream",
    "42-trusted-proxies",
    "43-headers-off",
    "44-malformed",
    "45-default-backend",
    "50-basic-auth",
    "51-jwt",
    "52-hmac-auth",
    "53-acl",
    "54-ip-restriction",
    "55-bot-detection",
    "56-cors",
    "57-request-size-limiting",
    "58-request-termination",
    "59-request-transformer",
    "60-response-transformer",
    "61-correlation-id",
    "62-response-ratelimiting",
    "63-redirect",
    "64-proxy-cache",
    "65-anonymous-chain",
    "66-precedence",
    "67-pre-function",
    "68-session",
    "70-tls-proxy-trusted",
    "71-tls-proxy-untrusted",
    "72-real-ip-not-recursive",
    "73-websocket",
    "74-tls",
    "75-proxy-protocol",
    "76-oauth2-dbless",
)
# Where the gateway's defaults are other than Kong's (docs/differences.md).
KONGS_WAY = ("--missing-plugins", "open", "--identity-headers", "pass")
# Steps, numbered from 1, that Envoy decides before any filter: an absolute request target replaces Host (RFC 9112); raw
# bytes in the target, and header lines without a colon, are refused; several X-Forwarded-For are joined;
# HTTP/2.5 is taken for HTTP/1.0; several lines of Vary are one, and so are several of User-Agent; `Expect` is answered
# and taken away; HTTP2-Settings never goes on; several lines of Connection are one; server names have no case; a
# connection without its PROXY line may be reset.
DIFFERENT = {
    "32-routing-hosts": {15},
    "35-path-normalisation": {22},
    "41-headers-upstream": {3},
    "44-malformed": {8, 14},
    "55-bot-detection": {9},
    "56-cors": {12},
    "57-request-size-limiting": {3},
    "70-tls-proxy-trusted": {7},
    "71-tls-proxy-untrusted": {4, 17},
    "73-websocket": {12},
    "74-tls": {6},
    "75-proxy-protocol": {4},
    "76-oauth2-dbless": {10},
}

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(180)]


@cache
def recorded_file(name: str) -> JsonObject:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    recording: JsonObject = yaml.load((TRUTH / f"{name}.yaml").read_text(), loader)
    return recording


class Gateway(NamedTuple):
    folder: Path
    log: Path
    url: str
    tls_url: str

    def changing(self, command: str) -> str:
        """A shell's command that changes the folder once, and ends when that is live."""
        said = f"grep -c ' changed' '{self.log}'"
        waits = f"[ $({said}) -gt $before ] && exit 0; sleep 0.02"
        return f"before=$({said}); {command}; for _ in $(seq 1500); do {waits}; done; tail '{self.log}' >&2; exit 1"


@contextmanager
def running(folder: Path, settings: Mapping[str, str]) -> Iterator[Gateway]:
    """With settings of Kong's; `proxy_protocol` stands for the word at the plain address."""
    plain, tls = free_ports(2)
    flag = " proxy_protocol" if settings.get("proxy_protocol") == "on" else ""
    listen = f"127.0.0.1:{plain}{flag}, 127.0.0.1:{tls} ssl http2"
    given = {name: value for name, value in settings.items() if name != "proxy_protocol"} | {"proxy_listen": listen}
    log = folder.with_suffix(".log")
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "crossfade.cli", "gateway", "run", "-f", str(folder), *KONGS_WAY],
            stderr=stderr,
            env=os.environ | {f"KONG_{name.upper()}": value for name, value in given.items()},
        ) as process,
    ):
        try:
            eventually(lambda: log.read_text().endswith("ready\n") or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield Gateway(folder, log, f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}")
        finally:
            process.terminate()
            process.wait(timeout=10)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("manifests"), {}) as one:
        yield one


def replay(gateway: Gateway, recording: Path) -> None:
    manifest, new = gateway.folder / "case.yaml", gateway.folder.with_suffix(".new")
    command = [
        *(sys.executable, str(TRUTH / "replay.py"), "--url", gateway.url, "--tls-url", gateway.tls_url),
        *("-q", "--exact", "--settle", "0.1", "--pause", "0"),
        *("--apply", gateway.changing(f"cat > '{new}'; mv '{new}' '{manifest}'")),
        *("--delete", gateway.changing(f"rm '{manifest}'")),
        str(recording),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def needs_more(name: str) -> bool:
    """A gateway of its own."""
    recording = recorded_file(name)
    return "settings" in recording or "dns" in recording.get("needs", ())


@pytest.mark.parametrize("name", [name for name in RECORDINGS if not needs_more(name)])
def test_answers_are_kongs(gateway: Gateway, name: str, tmp_path: Path) -> None:
    replay(gateway, written(tmp_path, name, recorded(name)))


@pytest.mark.parametrize("name", [name for name in RECORDINGS if needs_more(name)])
def test_answers_are_kongs_with_its_settings(name: str, tmp_path: Path) -> None:
    with own_gateway(name, tmp_path / "manifests") as one:
        replay(one, written(tmp_path, name, recorded(name)))


@contextmanager
def own_gateway(name: str, folder: Path) -> Iterator[Gateway]:
    """With the recording's settings, and a name server for its Service where it needs one."""
    folder.mkdir()
    recording = recorded_file(name)
    settings = recording.get("settings", {})
    if "dns" not in recording.get("needs", ()):
        with running(folder, settings) as one:
            yield one
        return
    with name_server({"echo.kt-upstream-host.svc": "127.0.0.1"}) as (port, asked):
        with running(folder, {**settings, "dns_resolver": f"127.0.0.1:{port}"}) as one:
            yield one
        assert asked


def recorded(name: str) -> JsonObject:
    """Without the steps that are known to differ."""
    recording = recorded_file(name)
    different = DIFFERENT.get(name, set())
    steps = [step for number, step in enumerate(recording["steps"], 1) if number not in different]
    return {**recording, "steps": steps}


def written(folder: Path, name: str, recording: JsonObject) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recording, sort_keys=False, allow_unicode=True))
    return path


def test_the_steps_that_differ_are_documented() -> None:
    rows = re.findall(r"^\| (\d\d-[\w-]+) \| ([\d, ]+) \|", DIFFERENCES.read_text(), re.MULTILINE)
    assert {name: {int(step) for step in steps.split(",")} for name, steps in rows} == DIFFERENT
