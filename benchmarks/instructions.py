"""How many instructions the policy module takes for fixed requests, compared with what it took before.

    python -m benchmarks.instructions [--write] [--requests 200]

A guard against slow growth: counts are the same on a busy machine. Needs valgrind, and a module that was built as it is
shipped (`make` does). Whoever changes the counts on purpose writes them down by `--write`. Envoy's own work is shown
too, but not judged: it is counted with its timers. SHA-256 is counted as software does it, since valgrind's processor
has no instructions of its own for that. Takes about a minute.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from benchmarks.callgrind import ask, instructions, missing_tools, program
from benchmarks.gateway_policies import KEY
from benchmarks.load import Upstream, started
from tests.e2e.policy_module import harness
from tests.e2e.policy_module.harness import Gateway, JsonObject, consumer, instance, route, tables

KEPT: Final = Path(__file__).with_suffix(".json")
TOLERANCE: Final = 0.03
"""More than this above what was written down fails; as much below asks for writing it down."""
MODULE: Final = "libcrossfade_policy"
_STARTS_WITHIN_S: Final = 240.0
_LIMITS: Final = {"second": 1e9, "minute": 1e9, "hour": 1e9}
_TIMEOUTS: Final = {"connect_timeout": 1, "send_timeout": 1, "read_timeout": 1}
_NOBODY: Final = "http://127.0.0.1:9"


class Case(NamedTuple):
    plugins: Mapping[str, Mapping[str, Any]] = {}
    headers: str = ""
    body: str = ""
    status: int = 200


def _tracing(default_format: str) -> JsonObject:
    formats = {"extract": ["b3", "w3c"], "inject": ["preserve"], "clear": None, "default_format": default_format}
    return {"propagation": formats, "http_response_header_for_traceid": None, **_TIMEOUTS}


_ZIPKIN: Final = {
    **_tracing("b3"),
    "http_endpoint": _NOBODY,
    "sample_ratio": 0,
    "traceid_byte_count": 16,
    "local_service_name": "kong",
    "include_credential": True,
    "tags_header": "Zipkin-Tags",
    "http_span_name": "method",
    "phase_duration_flavor": "annotations",
}
_OPENTELEMETRY: Final = {**_tracing("w3c"), "traces_endpoint": _NOBODY, "sampling_rate": 0}
_KEY: Final = f"apikey: {KEY}\r\n"
CASES: Final[Mapping[str, Case]] = {
    "no plugin": Case(),
    "no plugin, 2 KiB of a body": Case(body="x" * 2048),
    "key-auth": Case({"key-auth": {}}, _KEY),
    "key-auth refuses": Case({"key-auth": {}}, "apikey: wrong\r\n", status=401),
    "rate-limiting": Case({"rate-limiting": _LIMITS}),
    "rate-limiting refuses": Case({"rate-limiting": {"year": 1}}, status=429),
    "key-auth, rate-limiting": Case({"key-auth": {}, "rate-limiting": _LIMITS}, _KEY),
    "file-log": Case({"file-log": {"path": "/dev/null"}}),
    "zipkin, nothing sampled": Case({"zipkin": _ZIPKIN}),
    "opentelemetry, nothing sampled": Case({"opentelemetry": _OPENTELEMETRY}),
}


def module_tables(cases: Mapping[str, Case]) -> JsonObject:
    routes = (
        route(
            f"/{number}",
            *(instance(name, config, identity=f"{name}-{number}") for name, config in case.plugins.items()),
            strip_path=True,
        )
        for number, case in enumerate(cases.values())
    )
    return tables(list(routes), [consumer("bench", KEY)])


def request(number: int, case: Case) -> bytes:
    method, length = ("POST", f"content-length: {len(case.body)}\r\n") if case.body else ("GET", "")
    head = f"{method} /{number}/songs?by=name HTTP/1.1\r\nhost: gw.test\r\naccept: */*\r\nuser-agent: bench\r\n"
    return f"{head}{case.headers}{length}\r\n{case.body}".encode()


def measured(cases: Mapping[str, Case], count: int) -> Iterator[tuple[str, Counter[str]]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("upstream", "gateway"):
            (folder / part).mkdir()
        with started(Upstream(folder / "upstream", 1, tables([]))) as upstream:
            counts = patch.multiple(harness, envoy_binary=lambda: program(folder), DEADLINE_S=_STARTS_WITHIN_S)
            gateway = Gateway(folder / "gateway", upstream.port, module_tables(cases))
            with counts, started(gateway):
                assert gateway.process is not None
                for number, (title, case) in enumerate(cases.items()):
                    # A limit lets the first one through.
                    ask(gateway.port, request(number, case), 1)
                    sends = partial(ask, gateway.port, request(number, case), status=case.status)
                    yield title, instructions(gateway.process.pid, folder, sends, count)


def of_module(counts: Counter[str]) -> int:
    return sum(count for name, count in counts.items() if name.startswith(MODULE))


def verdict(before: int | None, now: int) -> str:
    """Empty where all is well."""
    if before is None:
        return "not written down yet: --write"
    if now > before * (1 + TOLERANCE):
        return f"MORE than the {before} that are written down"
    return f"less than the {before} that are written down: --write" if now < before * (1 - TOLERANCE) else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    if missing := missing_tools():
        print(f"skipped: {', '.join(missing)} missing; install the Debian package valgrind", file=sys.stderr)
        return 0
    kept: dict[str, int] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    found: dict[str, int] = {}
    for title, counts in measured(CASES, options.requests):
        found[title] = of_module(counts)
        line = f"{title:32} {found[title]:7} instructions in the module, {counts.total() - found[title]:7} elsewhere"
        print(f"{line}  {verdict(kept.get(title), found[title])}".rstrip(), flush=True)
    if options.write:
        KEPT.write_text(json.dumps(found, indent=2) + "\n")
        return 0
    return int(any(verdict(kept.get(title), now).startswith(("MORE", "not")) for title, now in found.items()))


if __name__ == "__main__":
    sys.exit(main())
