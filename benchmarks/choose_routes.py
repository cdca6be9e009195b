"""How many decisions a second the policy module's router gives to Python: `Tables.choose_all` and `Tables.choose`.

    python -m benchmarks.choose_routes [--routes 2000] [--seconds 2]

A table of that many routes on hosts, prefixes and regexes, asked for paths that fit one of them. Ends by itself.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

from crossfade.policy_module.library import Request, Tables

BATCH = 1000
SETTINGS = {"compat": "kong-3", "server_token": "kong/3.9.1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routes", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    tables = Tables(SETTINGS, [{"shard": 0, "version": "", "routes": [_route(at) for at in range(arguments.routes)]}])
    requests = [
        Request(f"/team-{at % 50}/service-{at}/7", f"h{at % 20}.test", headers=(("x-version", "v1"),))
        for at in (number * 7919 % arguments.routes for number in range(BATCH))
    ]
    assert None not in tables.choose_all(requests)
    many = _per_second(lambda: tables.choose_all(requests), BATCH, arguments.seconds)
    one = _per_second(lambda: tables.choose(requests[0].path, host=requests[0].host), 1, arguments.seconds)
    print(f"{arguments.routes} routes: {many:.0f} decisions a second, {one:.0f} with a call for each")


def _route(at: int) -> dict[str, Any]:
    kind, text = (
        ("regex", rf"/team-{at % 50}/service-{at}/\d+$") if at % 3 == 0 else ("prefix", f"/team-{at % 50}/service-{at}")
    )
    paths = [{"rank": f"{at:06}", "kind": kind, "text": text}]
    return {"id": f"route-{at}", "match": {"hosts": [f"h{at % 20}.test"], "schemes": ["http"], "paths": paths}}


def _per_second(ask: Callable[[], object], decisions: int, seconds: float) -> float:
    """By the process's own time: a loaded machine takes it away from everybody."""
    asked, started, ends = 0, time.process_time(), time.process_time() + seconds
    while time.process_time() < ends:
        ask()
        asked += decisions
    return asked / (time.process_time() - started)


if __name__ == "__main__":
    main()
