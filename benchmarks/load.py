"""The load that proxies are measured under, by `wrk` and, over HTTP/2, by `h2load`; and the upstream behind them."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from benchmarks.bare_envoy import TYPE, answer, listener
from tests.e2e.policy_module.harness import Gateway, JsonObject

BODY: Final = "x" * 128
LARGE_BODY: Final = "x" * 10_240
LARGE: Final = "/10k"
_LARGEST_REQUEST: Final = 1 << 24
AnyGateway = TypeVar("AnyGateway", bound=Gateway)
Headers = Iterable[tuple[str, str]]


class Answers(NamedTuple):
    """`refused` are those among all whose status is neither 2xx nor 3xx."""

    all: int
    refused: int


def missing_programs(names: Iterable[str] = ("wrk",)) -> str | None:
    """What to say of those that are not installed."""
    missing = [name for name in names if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}; `make bench` installs what it needs" if missing else None


def requests_answered(
    url: str, headers: Headers = (), *, seconds: int, connections: int, script: Path | None = None
) -> int:
    """By `wrk`, all of them well; its `script` may change each request."""
    answers = answered(url, headers, seconds=seconds, connections=connections, script=script)
    if answers.refused:
        raise RuntimeError(f"{url}: {answers.refused} of {answers.all} requests were refused")
    return answers.all


def answered(url: str, headers: Headers = (), *, seconds: int, connections: int, script: Path | None = None) -> Answers:
    told = [part for name, value in headers for part in ("-H", f"{name}: {value}")]
    told += [] if script is None else ["-s", str(script)]
    output = _said(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *told, url], seconds)
    found = re.search(r"(\d+) requests in", output)
    if found is None or int(found[1]) == 0 or "Socket errors" in output:
        raise RuntimeError(f"{url}: the load was not answered cleanly:\n{output}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Answers(int(found[1]), int(refused[1]) if refused else 0)


def answered_over_http2(url: str, *, seconds: int, connections: int, streams: int) -> Answers:
    """`streams` at a time on each connection."""
    limits = [f"-c{connections}", f"-m{streams}", f"-D{seconds}"]
    output = _said(["h2load", "-t1", *limits, url], seconds)
    return of_h2load(output)


def of_h2load(output: str) -> Answers:
    """What it says at its end. Requests that were under way then count as neither."""
    done = re.search(r" (\d+) done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout", output)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    if done is None or statuses is None or int(done[1]) == 0 or int(done[2]) + int(done[3]):
        raise RuntimeError(f"the load was not answered cleanly:\n{output}")
    well = int(statuses[1]) + int(statuses[2])
    refused = int(statuses[3]) + int(statuses[4])
    if "Application protocol: h2" not in output:
        raise RuntimeError(f"the connections did not come to speak HTTP/2:\n{output}")
    return Answers(well + refused, refused)


def _said(command: list[str], seconds: int) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout


class Upstream(Gateway):
    """An Envoy that answers at once: 128 bytes, or 10 KB at `LARGE`. Its CPU is not counted."""

    def _bootstrap(self) -> JsonObject:
        bootstrap = super()._bootstrap()
        [original] = bootstrap["static_resources"]["listeners"]
        answers = [answer(LARGE, LARGE_BODY), answer("/", BODY)]
        # A response before the whole request is here ends the connection.
        whole = ("buffer", {"@type": f"{TYPE}.filters.http.buffer.v3.Buffer", "max_request_bytes": _LARGEST_REQUEST})
        bare = listener("127.0.0.1", 0, answers, filters=[whole], generate_request_id=False)
        bootstrap["static_resources"]["listeners"] = [{**bare, "name": original["name"]}]
        return bootstrap


@contextmanager
def started(gateway: AnyGateway) -> Iterator[AnyGateway]:
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()
