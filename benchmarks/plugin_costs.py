"""What each plugin adds to a request: Envoy's CPU on a route with it, less that on the same route without.

    python -m benchmarks.plugin_costs [--rounds 6] [--seconds 1] [--connections 32] [--write] [PLUGIN ...]

Needs `wrk`. `crossfade gateway run` serves a route without plugins and one for each plugin, from manifests; one Envoy
worker. Each round measures all of them one after another, in changing order, so that foreign load on the machine hits
all; the figures are medians over the rounds. Plugins that need to know the consumer have key-auth beside them, and are
compared with key-auth alone; those that look at bodies with a route without plugins that is sent the same body. Servers
that plugins ask have CPUs of their own, which are not counted: `redis-server`, `slapd`, an OpenID provider (node, npm),
a stub of AWS' API, whoever takes records of log plugins. syslog needs a machine without a system log: its socket is the
benchmark's own meanwhile. mtls-auth is measured over TLS, on connections that are kept and on new ones; compared with a
route without plugins, whose clients are asked for no certificate. `--write` puts the figures into docs/plugin-costs.md,
in place of those of the same names there.
"""

import argparse
import json
import ssl
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from benchmarks.load import Upstream, missing_programs, requests_answered, started
from benchmarks.plugin_cases import BODY, CASES, SECRET, Case, Headers, manifests
from benchmarks.plugin_table import Cost, merged
from benchmarks.processes import cpu_seconds
from benchmarks.record_sink import record_sink, system_log
from benchmarks.tls_clients import TlsClient
from tests.e2e.policy_module.harness import tables
from tests.support.browser import Browser
from tests.support.gateway import running_gateway
from tests.support.lambda_stub import running_lambda
from tests.support.ldap_server import ldap_server
from tests.support.oidc_provider import OidcProvider, oidc_provider
from tests.support.openssl import Files, issued, root
from tests.support.ports import free_ports
from tests.support.redis_server import redis_server

PLAIN, WITH_BODY = "(none)", "(none, with a body)"
OVER_TLS = {"kept": "(none, over TLS)", "new": "(none, new connections)"}
TABLE = Path(__file__).parents[1] / "docs/plugin-costs.md"
# For `wrk`.
VARY = """\
local number, start = 0, tostring(os.time())
function request()
  number = number + 1
  return wrk.format(nil, wrk.path .. "?" .. start .. number)
end
"""
POST = f"""\
wrk.method = "POST"
wrk.body = {json.dumps(BODY)}
"""


class Target(NamedTuple):
    path: str
    headers: Headers = ()
    tls: TlsClient | None = None
    script: Path | None = None


class World(NamedTuple):
    """What requests meet. `servers` are ports of what plugins ask."""

    folder: Path
    port: int
    secure: int
    servers: dict[str, int]
    provider: OidcProvider | None


def base_of(case: Case) -> str:
    """The name of what a case is compared with."""
    if case.tls is not None:
        return OVER_TLS[case.tls]
    if case.body:
        return WITH_BODY
    return "key-auth" if case.knows_consumer or case.shows == "cookie" else PLAIN


def targets(cases: Mapping[str, Case], client: Files, world: World) -> dict[str, Target]:
    """All are asked with what their plugin needs, what they are compared with by the same clients without it."""
    key = CASES["key-auth"].sent
    found = {PLAIN: Target("/plain/x")}
    if any(case.body for case in cases.values()):
        found[WITH_BODY] = Target("/plain/x", script=_script(world, "post.lua", POST))
    for name, case in cases.items():
        path = f"/r-{name}/x"
        if case.tls is not None:
            keeps = case.tls == "kept"
            found[OVER_TLS[case.tls]] = Target("/plain/x", (), TlsClient("plain.test", keeps))
            found[name] = Target(path, (), TlsClient("bench.test", keeps, client.certificate, client.key))
            continue
        headers = (*case.sent, *(key if case.knows_consumer else ()), *_shown(case, world, path))
        script = _script(world, "vary.lua", VARY) if case.varies else None
        script = _script(world, "post.lua", POST) if case.body else script
        found[name] = Target(path, headers, script=script)
    return found


def _script(world: World, name: str, text: str) -> Path:
    path = world.folder / name
    path.write_text(text)
    return path


def _shown(case: Case, world: World, path: str) -> Headers:
    """The header by which the gateway knows a caller from before."""
    url = f"http://127.0.0.1:{world.port}{path}"
    match case.shows, world.provider:
        case "token", OidcProvider() as provider:
            return (("Authorization", f"Bearer {provider.token_of('shop')}"),)
        case "session", OidcProvider():
            browser = Browser()
            browser.visit(url)
            kept = browser.cookies[urlsplit(url).netloc]
            return (("Cookie", "; ".join(f"{name}={value}" for name, value in kept.items())),)
        case "own-token", _:
            return (("Authorization", f"Bearer {_token(f'https://127.0.0.1:{world.secure}{path}')}"),)
        case "cookie", _:
            request = urllib.request.Request(url, headers=dict(case.sent))
            with urllib.request.urlopen(request, timeout=5) as response:
                return (("Cookie", response.headers["Set-Cookie"].partition(";")[0]),)
        case _:
            return ()


def _token(url: str) -> str:
    """From the plugin oauth2 itself, which speaks of tokens over TLS only."""
    form = {"client_id": "bench", "client_secret": SECRET, "grant_type": "client_credentials"}
    # The gateway's own certificate names nobody.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{url}/oauth2/token", urlencode(form).encode(), timeout=5, context=context) as answer:
        return str(json.load(answer)["access_token"])


def measured(cases: Mapping[str, Case], rounds: int, seconds: int, connections: int) -> dict[str, list[float]]:
    """Microseconds of Envoy's CPU per request, by plugin, for each round."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(started(Upstream(folder, 1, tables([]))))
        world = _world(cases, folder, stack)
        authority = root(folder, "bench-authority")
        issuer = world.provider.url if world.provider is not None else ""
        text = manifests(cases, upstream.port, authority, servers=world.servers, issuer=issuer)
        (folder / "manifests").mkdir()
        (folder / "manifests/all.yaml").write_text(text)
        listens = {"KONG_PROXY_LISTEN": f"127.0.0.1:{world.port}, 127.0.0.1:{world.secure} ssl"}
        gateway = stack.enter_context(running_gateway(folder / "manifests", settings=listens))
        (envoy,) = gateway.children()
        wanted = targets(cases, issued(folder, "bench", authority, name="bench"), world)
        results: dict[str, list[float]] = {name: [] for name in wanted}
        names = list(wanted)
        for number in range(rounds + 1):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                before = cpu_seconds(envoy)
                count = _asked(wanted[name], world, seconds, connections)
                # The first round warms up.
                if number:
                    results[name].append((cpu_seconds(envoy) - before) / count * 1e6)
        return results


def _asked(target: Target, world: World, seconds: int, connections: int) -> int:
    if target.tls is not None:
        return target.tls.requests_answered(world.secure, target.path, seconds=seconds, connections=connections)
    url = f"http://127.0.0.1:{world.port}{target.path}"
    return requests_answered(url, target.headers, seconds=seconds, connections=connections, script=target.script)


def _world(cases: Mapping[str, Case], folder: Path, stack: ExitStack) -> World:
    """Starts what the cases need, and nothing else."""
    port, secure = free_ports(2)
    asked = {case.asks for case in cases.values()}
    servers: dict[str, int] = {}
    if "redis" in asked:
        servers["redis"] = stack.enter_context(redis_server(folder)).port
    if "ldap" in asked:
        place = folder / "ldap"
        place.mkdir()
        servers["ldap"] = stack.enter_context(ldap_server(place, {"bench": "bench"})).port
    if "lambda" in asked:
        servers["lambda"] = stack.enter_context(running_lambda({"bench": (200, {}, {})})).port
    if asked & {"udp", "tcp", "http"}:
        servers |= stack.enter_context(record_sink())._asdict()
    if "syslog" in asked:
        stack.enter_context(system_log())
    shown = [name for name, case in cases.items() if case.shows in ("token", "session")]
    urls = (f"http://127.0.0.1:{port}/r-{name}/x" for name in shown)
    provider = stack.enter_context(oidc_provider(*urls)) if shown else None
    return World(folder, port, secure, servers, provider)


def costs(cases: Mapping[str, Case], results: Mapping[str, list[float]]) -> Iterator[tuple[str, Cost]]:
    for name, case in cases.items():
        base = base_of(case)
        pairs = list(zip(results[name], results[base], strict=True))
        added = statistics.median(one - other for one, other in pairs)
        ratio = statistics.median(one / other for one, other in pairs)
        yield name, Cost(added, ratio, base, case.answers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if missing := missing_programs():
        print(missing, file=sys.stderr)
        return 2
    unknown = [name for name in options.plugins if name not in CASES]
    if unknown:
        print(f"not measured here: {', '.join(unknown)}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    cases = {name: CASES[name] for name in options.plugins or CASES}
    cases |= {base: CASES[base] for base in map(base_of, cases.values()) if base in CASES}
    results = measured(cases, options.rounds, options.seconds, options.connections)
    for name, values in results.items():
        if name not in cases:
            print(f"{name:28} {statistics.median(values):9.1f} us")
    found = dict(costs(cases, results))
    for name, cost in found.items():
        print(f"{name:28} {cost.added_us:+9.1f} us  {cost.ratio:5.2f} x {cost.base}")
    if options.write:
        TABLE.write_text(merged(TABLE.read_text() if TABLE.exists() else "", found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
