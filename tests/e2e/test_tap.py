"""`crossfade tap` and records of requests, as people see them who run a gateway on their own machine."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import KEY, RunningGateway, eventually, ingress, running_gateway, service, upstream

pytestmark = pytest.mark.envoy

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, runtime: Path) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("manifests")
    with upstream("one") as one:
        closed = ingress("closed", "/closed", "one", "konghq.com/plugins: key")
        (folder / "all.yaml").write_text(service("one", one) + KEY + ingress("open", "/open", "one") + closed)
        with running_gateway(folder, settings={"XDG_RUNTIME_DIR": str(runtime)}) as running:
            yield running


def crossfade(runtime: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """On a machine that has no cluster but what `settings` name."""
    environ = os.environ | {"XDG_RUNTIME_DIR": str(runtime), "HOME": str(runtime), "KUBECONFIG": ""} | settings
    command = [sys.executable, "-m", "crossfade.cli", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False)


class Tap:
    """`lines` is what it has printed."""

    def __init__(self, runtime: Path, words: Sequence[str]) -> None:
        command = [sys.executable, "-m", "crossfade.cli", "tap", *words]
        self.process = subprocess.Popen(
            command,
            env=os.environ | {"XDG_RUNTIME_DIR": str(runtime)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        assert self.process.stderr.readline().startswith("crossfade tap: watching gateway ")

    def next(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def has_more(self, *, within_s: float) -> bool:
        return bool(select.select([self.process.stdout], [], [], within_s)[0])

    def next_record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.next())
        return found


@contextmanager
def tapping(runtime: Path, *words: str) -> Iterator[Tap]:
    tap = Tap(runtime, words)
    try:
        yield tap
    finally:
        tap.process.kill()
        tap.process.wait(timeout=WITHIN_S)
        for stream in (tap.process.stdout, tap.process.stderr):
            if stream is not None:
                stream.close()


def test_it_says_who_was_refused_by_what_and_why(gateway: RunningGateway, runtime: Path) -> None:
    with tapping(runtime, "--output", "json", "--path", "/closed*") as tap:
        gateway.get("/open")
        refused = gateway.get("/closed?apikey=wrong-secret")
        allowed = gateway.get("/closed/x", {"apikey": "sesame"})
        first, second = tap.next_record(), tap.next_record()
    assert (first["code"], first["denied_by"], first["path"]) == (401, "key-auth", "/closed")
    assert (first["service"], first["route_name"]) == ("default.one.80", "default.closed.one..80")
    assert first["kong_id"] == refused.headers["X-Kong-Request-Id"]
    assert (second["code"], second["consumer"], second["path"]) == (200, "ann", "/closed/x")
    assert second["kong_id"] == allowed.headers["X-Kong-Request-Id"]
    assert not any(secret in json.dumps([first, second]) for secret in ("sesame", "wrong-secret"))


def test_what_is_asked_for_is_shown_and_the_rest_counted(gateway: RunningGateway, runtime: Path) -> None:
    with tapping(runtime, "--code", "4xx", "--max-rps", "1", "--for", "2s") as tap:
        for _ in range(5):
            gateway.get("/open")
            gateway.get("/nowhere")
        out, err = tap.process.communicate(timeout=WITHIN_S)
    assert "GET /nowhere" in out
    assert "no Route matched with those values" in out
    assert "/open" not in out
    shown = out.count("GET /nowhere")
    assert f"saw 10 requests, showed {shown}, left {5 - shown} out: see more with --max-rps" in err
    assert tap.process.returncode == 0


def test_a_strangers_path_does_nothing_to_the_terminal(gateway: RunningGateway, runtime: Path) -> None:
    """An escape sequence that Envoy refuses by itself never gets that far; what it lets through is made visible."""
    with tapping(runtime, "--path", "/open*") as tap:
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.sendall("GET /open/\u202e<b>\u009b31m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            while client.recv(4096):
                pass
        gateway.get("/open/%1b[31m")
        lines = [tap.next() for _ in range(2)]
    assert not any(char in line for line in lines for char in "\u202e\u009b\x1b")


def test_requests_go_on_while_nobody_takes_the_records(gateway: RunningGateway, runtime: Path) -> None:
    with tapping(runtime, "--for", "60s"):
        os.kill(gateway.process.pid, signal.SIGSTOP)
        try:
            answers = {gateway.get("/open").status for _ in range(300)}
        finally:
            os.kill(gateway.process.pid, signal.SIGCONT)
    assert answers == {200}
    with tapping(runtime) as tap:

        def is_seen() -> bool:
            # Records are lost while the gateway catches up with what came meanwhile.
            gateway.get("/open/after")
            return tap.has_more(within_s=0.5) and "/open/after" in tap.next()

        eventually(is_seen, within_s=WITHIN_S)


def test_a_reader_that_has_seen_enough_ends_it_in_silence(gateway: RunningGateway, runtime: Path) -> None:
    with tapping(runtime, "--output", "json") as tap:
        gateway.get("/open/first")
        tap.next_record()
        assert tap.process.stdout is not None
        tap.process.stdout.close()
        gateway.get("/open/second")
        assert tap.process.wait(timeout=WITHIN_S) == 1
        assert tap.process.stderr is not None
        assert tap.process.stderr.read() == ""


def test_without_a_gateway_it_says_what_to_do(tmp_path: Path) -> None:
    done = crossfade(tmp_path, "tap", "--for", "1s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "start one with `crossfade gateway run`" in done.stderr


@pytest.mark.usefixtures("gateway")
def test_the_cluster_of_the_kubeconfig_is_asked_only_where_no_gateway_runs(runtime: Path, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    for words in (("tap", "--for", "1s"), ("explain", "0123456789abcdef")):
        alone = crossfade(tmp_path, *words, KUBECONFIG=absent)
        assert alone.returncode == 1
        assert f"kubeconfig {absent} cannot be read" in alone.stderr
        assert absent not in crossfade(runtime, *words, KUBECONFIG=absent).stderr
    # This one can be in a cluster only.
    assert absent in crossfade(runtime, "tap", "deploy/dj", KUBECONFIG=absent).stderr


def test_of_several_gateways_one_is_chosen(gateway: RunningGateway, runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("")
    with running_gateway(tmp_path, settings={"XDG_RUNTIME_DIR": str(runtime)}) as other:
        done = crossfade(runtime, "tap", "--for", "1s")
        assert done.returncode == 1
        assert all(str(one.process.pid) in done.stderr for one in (gateway, other))
        with tapping(runtime, "--gateway", str(other.process.pid)) as tap:
            other.get("/whatever")
            assert "/whatever" in tap.next()
    left = [path.stem for path in runtime.glob("*/*.records")]
    assert left == [str(gateway.process.pid)]


def test_a_gateway_that_keeps_no_records_is_not_watched(tmp_path: Path) -> None:
    with running_gateway(tmp_path, "--records", "off", settings={"XDG_RUNTIME_DIR": str(tmp_path)}):
        assert crossfade(tmp_path, "tap", "--for", "1s").returncode == 1


def test_a_request_is_explained_by_the_id_that_its_answer_had(gateway: RunningGateway, runtime: Path) -> None:
    request_id = gateway.get("/closed/x?apikey=wrong-secret").headers["X-Kong-Request-Id"]
    told = explained(runtime, request_id)
    assert "gateway → default.one.80  GET /closed/x" in told
    assert "route     default.closed.one..80 (Ingress default/closed, spec.rules[0].http.paths[0])" in told
    assert (
        "key-auth (KongPlugin default/key) by annotation konghq.com/plugins of Ingress default/closed  refused it"
        in told
    )
    assert "answer    401 after " in told
    assert "key-auth: No API key found in request" in told or "key-auth: Unauthorized" in told
    file = gateway.folder / "all.yaml"
    line = file.read_text().splitlines().index("kind: KongPlugin")
    assert f"file      {file}:{line}: KongPlugin default/key" in told
    assert "wrong-secret" not in told


def explained(runtime: Path, request_id: str) -> str:
    """Records are sent a moment after the answer."""
    done: list[subprocess.CompletedProcess[str]] = []

    def found() -> bool:
        done.append(crossfade(runtime, "explain", request_id))
        return done[-1].returncode == 0

    eventually(found, within_s=WITHIN_S, seen=done)
    return done[-1].stdout


def test_an_id_that_a_client_sends_twice_shows_both_requests(gateway: RunningGateway, runtime: Path) -> None:
    for path in ("/open/first", "/open/second"):
        gateway.get(path, {"X-Request-Id": "forged-by-a-client"})
    eventually(lambda: "/open/second" in explained(runtime, "forged-by-a-client"), within_s=WITHIN_S)
    assert "/open/first" in explained(runtime, "forged-by-a-client")


def test_an_id_that_nobody_remembers_says_why_and_what_to_do(gateway: RunningGateway, runtime: Path) -> None:
    explained(runtime, gateway.get("/open").headers["X-Kong-Request-Id"])
    done = crossfade(runtime, "explain", "0123456789abcdef")
    assert (done.returncode, done.stdout) == (1, "")
    assert "more than 15 minutes ago" in done.stderr
    assert "hint: make it again while `crossfade tap` runs" in done.stderr
    assert crossfade(runtime, "explain", "short").returncode == 2
