"""What each plugin adds to a request: Envoy's CPU on a route with it, less that on the same route without.

    python -m benchmarks.plugin_costs [--rounds 6] [--seconds 1] [--connections 32] [PLUGIN ...]

Needs `wrk`. `crossfade gateway run` serves a route without plugins and one for each plugin, from manifests; one Envoy
worker. Each round measures all of them one after another, in changing order, so that foreign load on the machine hits
all; the figures are medians over the rounds. Plugins that need to know the consumer have key-auth beside them, and are
compared with key-auth alone. Limits in Redis need `redis-server`, whose own CPU is not counted. Tokens and sessions of
openid-connect need node and npm. mtls-auth is measured over TLS, on connections that are kept and on new ones; compared
with a route without plugins, whose clients are asked for no certificate.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from benchmarks.gateway_policies import Upstream, cpu_seconds, requests_answered, started
from benchmarks.tls_clients import TlsClient
from tests.e2e.policy_module.harness import tables
from tests.support.browser import Browser
from tests.support.gateway import running_gateway, service
from tests.support.oidc_provider import OidcProvider, oidc_provider, secret_of
from tests.support.openssl import Files, issued, root
from tests.support.ports import free_ports
from tests.support.redis_server import redis_server

KEY = "bench-key"
PLAIN = "(none)"
OVER_TLS = {"kept": "(none, over TLS)", "new": "(none, new connections)"}
AUTHORITY = "7f3a2c9e-5b1d-4e8f-9a60-2d4c8b7e1f35"


class Case(NamedTuple):
    """`knows_consumer`: needs key-auth in front. `plugin` where it is not the case's name; `redis`: it counts there.

    `shows` is what callers have from an OpenID provider. `tls`: over connections that are `kept` or `new`, on which the
    client shows a certificate. `varies`: no two requests are alike.
    """

    config: Mapping[str, Any] = {}
    headers: tuple[tuple[str, str], ...] = ()
    knows_consumer: bool = False
    plugin: str | None = None
    redis: bool = False
    shows: Literal["token", "session"] | None = None
    tls: Literal["kept", "new"] | None = None
    varies: bool = False


OPENID = {
    "client_id": ["shop"],
    "client_secret": [secret_of("shop")],
    "scopes": ["openid", "email", "orders"],
    "session_secret": "a secret for sessions",
}
CERTIFIED = {"ca_certificates": [AUTHORITY], "revocation_check_mode": "SKIP"}
LIMITS = {"second": 1_000_000, "minute": 60_000_000}
CASES: Mapping[str, Case] = {
    "acl": Case({"allow": ["team"]}, knows_consumer=True),
    "basic-auth": Case(headers=(("Authorization", "Basic YmVuY2g6YmVuY2g="),)),
    "correlation-id": Case({"echo_downstream": True}),
    "cors": Case({"origins": ["https://a.test"]}, (("Origin", "https://a.test"),)),
    "ip-restriction": Case({"allow": ["127.0.0.0/8", "10.0.0.0/8"]}),
    "key-auth": Case(headers=(("apikey", KEY),)),
    "mtls-auth": Case(CERTIFIED, tls="kept"),
    "mtls-auth-on-new-connections": Case(CERTIFIED, tls="new", plugin="mtls-auth"),
    "openid-connect-bearer": Case({"auth_methods": ["bearer"]}, plugin="openid-connect", shows="token"),
    "openid-connect-session": Case(
        {**OPENID, "auth_methods": ["authorization_code", "session"], "session_idling_timeout": 0},
        plugin="openid-connect",
        shows="session",
    ),
    "pre-function": Case(
        {
            "access": ["kong.service.request.set_header('X-Pre', kong.request.get_header('x-a') or 'none')"],
            "header_filter": ["kong.response.set_header('X-Down', 'yes')"],
        }
    ),
    "proxy-cache-bypass": Case({"strategy": "memory", "request_method": ["PUT"]}, plugin="proxy-cache"),
    "proxy-cache-hit": Case({"strategy": "memory", "content_type": ["*/*"]}, plugin="proxy-cache"),
    "proxy-cache-miss": Case({"strategy": "memory", "content_type": ["*/*"]}, plugin="proxy-cache", varies=True),
    "rate-limiting": Case({**LIMITS, "policy": "local"}),
    "rate-limiting-in-redis": Case({**LIMITS, "policy": "redis"}, plugin="rate-limiting", redis=True),
    "rate-limiting-synced": Case({**LIMITS, "policy": "redis", "sync_rate": 1}, plugin="rate-limiting", redis=True),
    "response-transformer": Case({"add": {"headers": ["x-a:1"]}, "remove": {"headers": ["x-b"]}}),
}
# For `wrk`.
VARY = """\
local number, start = 0, tostring(os.time())
function request()
  number = number + 1
  return wrk.format(nil, wrk.path .. "?" .. start .. number)
end
"""
CONSUMER = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: bench, annotations: {{kubernetes.io/ingress.class: kong}}}}
username: bench
credentials: [bench-key, bench-basic, bench-acl]
---
apiVersion: v1
kind: Secret
metadata: {{name: bench-key, labels: {{konghq.com/credential: key-auth}}}}
stringData: {{key: {KEY}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: bench-basic, labels: {{konghq.com/credential: basic-auth}}}}
stringData: {{username: bench, password: bench}}
---
apiVersion: v1
kind: Secret
metadata: {{name: bench-acl, labels: {{konghq.com/credential: acl}}}}
stringData: {{group: team}}
---
"""
ROUTE = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {{konghq.com/strip-path: "true", konghq.com/plugins: "{plugins}"{more}}}}}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {{path: /{name}, pathType: Prefix, backend: {{service: {{name: up, port: {{number: 80}}}}}}}}
---
"""


def manifests(
    cases: Mapping[str, Case],
    port: int,
    authority: Files,
    *,
    redis_port: int | None = None,
    issuer: str = "",
) -> str:
    parts = [service("up", port), CONSUMER, ROUTE.format(name="plain", plugins="", more=""), _authority(authority)]
    for name, case in cases.items():
        parts.append(_plugin(name, case, redis_port, issuer))
        plugins = f"key-auth,{name}" if case.knows_consumer else name
        more = ', konghq.com/snis: "bench.test"' if case.tls else ""
        parts.append(ROUTE.format(name=f"r-{name}", plugins=plugins, more=more))
    if "key-auth" not in cases:
        parts.append(_plugin("key-auth", CASES["key-auth"]))
    return "".join(parts)


def _plugin(name: str, case: Case, redis_port: int | None = None, issuer: str = "") -> str:
    head = {"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": {"name": name}}
    store = {"redis": {"host": "127.0.0.1", "port": redis_port}} if case.redis else {}
    known = {"issuer": issuer} if case.shows else {}
    return json.dumps({**head, "plugin": case.plugin or name, "config": {**case.config, **store, **known}}) + "\n---\n"


def _authority(files: Files) -> str:
    metadata = {
        "name": "authority",
        "labels": {"konghq.com/ca-cert": "true"},
        "annotations": {"kubernetes.io/ingress.class": "kong"},
    }
    data = {"id": AUTHORITY, "cert": files.pem}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}) + "\n---\n"


class Target(NamedTuple):
    path: str
    headers: tuple[tuple[str, str], ...]
    tls: TlsClient | None = None
    varies: bool = False


def targets(cases: Mapping[str, Case], client: Files) -> dict[str, Target]:
    """All are asked with the headers that their plugin needs, or its certificate; `plain` with none."""
    key = CASES["key-auth"].headers
    found = {PLAIN: Target("/plain/x", ())}
    for name, case in cases.items():
        if case.tls is not None:
            keeps = case.tls == "kept"
            found[OVER_TLS[case.tls]] = Target("/plain/x", (), TlsClient("plain.test", keeps))
            found[name] = Target(f"/r-{name}/x", (), TlsClient("bench.test", keeps, client.certificate, client.key))
            continue
        found[name] = Target(f"/r-{name}/x", (*case.headers, *(key if case.knows_consumer else ())), varies=case.varies)
    return found


def measured(cases: Mapping[str, Case], rounds: int, seconds: int, connections: int) -> dict[str, list[float]]:
    """Microseconds of Envoy's CPU per request, by plugin, for each round."""
    (port, secure) = free_ports(2)
    with (
        tempfile.TemporaryDirectory() as directory,
        started(Upstream(Path(directory), 1, tables([]))) as upstream,
        _redis_port(Path(directory), cases) as redis_port,
        _provider(cases, port) as provider,
    ):
        script = Path(directory, "vary.lua")
        script.write_text(VARY)
        folder = Path(directory, "manifests")
        folder.mkdir()
        authority = root(Path(directory), "bench-authority")
        wanted = targets(cases, issued(Path(directory), "bench", authority, name="bench"))
        results: dict[str, list[float]] = {name: [] for name in wanted}
        issuer = provider.url if provider is not None else ""
        text = manifests(cases, upstream.port, authority, redis_port=redis_port, issuer=issuer)
        (folder / "all.yaml").write_text(text)
        listens = {"KONG_PROXY_LISTEN": f"127.0.0.1:{port}, 127.0.0.1:{secure} ssl"}
        with running_gateway(folder, settings=listens) as gateway:
            (envoy,) = gateway.children()
            for name, case in cases.items():
                if provider is not None and case.shows:
                    path = wanted[name].path
                    wanted[name] = Target(path, _shown(case, provider, f"http://127.0.0.1:{port}{path}"))
            names = list(wanted)
            for number in range(rounds + 1):
                first = number % len(names)
                for name in names[first:] + names[:first]:
                    target = wanted[name]
                    before = cpu_seconds(envoy)
                    if target.tls is not None:
                        count = target.tls.requests_answered(
                            secure, target.path, seconds=seconds, connections=connections
                        )
                    else:
                        count = requests_answered(
                            port,
                            target.path,
                            target.headers,
                            seconds=seconds,
                            connections=connections,
                            script=script if target.varies else None,
                        )
                    # The first round warms up.
                    if number:
                        results[name].append((cpu_seconds(envoy) - before) / count * 1e6)
    return results


@contextmanager
def _redis_port(directory: Path, cases: Mapping[str, Case]) -> Iterator[int | None]:
    if not any(case.redis for case in cases.values()):
        yield None
        return
    with redis_server(directory) as redis:
        yield redis.port


@contextmanager
def _provider(cases: Mapping[str, Case], port: int) -> Iterator[OidcProvider | None]:
    shown = [name for name, case in cases.items() if case.shows]
    if not shown:
        yield None
        return
    with oidc_provider(*(f"http://127.0.0.1:{port}/r-{name}/x" for name in shown)) as provider:
        yield provider


def _shown(case: Case, provider: OidcProvider, url: str) -> tuple[tuple[str, str], ...]:
    """The header by which the gateway knows a caller."""
    if case.shows == "token":
        return (("Authorization", f"Bearer {provider.token_of('shop')}"),)
    browser = Browser()
    browser.visit(url)
    kept = browser.cookies[urlsplit(url).netloc]
    return (("Cookie", "; ".join(f"{name}={value}" for name, value in kept.items())),)


def report(cases: Mapping[str, Case], results: Mapping[str, list[float]]) -> Iterator[str]:
    plain = results[PLAIN]
    yield f"{'plugin':28} {'CPU per request':>15} {'added':>9}   without it"
    for name in (PLAIN, *OVER_TLS.values()):
        if name in results:
            yield f"{name:28} {statistics.median(results[name]):12.1f} us"
    for name, case in cases.items():
        base = results["key-auth"] if case.knows_consumer and "key-auth" in results else plain
        if case.tls is not None:
            base = results[OVER_TLS[case.tls]]
        added = statistics.median(one - other for one, other in zip(results[name], base, strict=True))
        compared = "key-auth" if case.knows_consumer and base is not plain else "no plugin"
        yield f"{name:28} {statistics.median(results[name]):12.1f} us {added:+6.1f} us   {compared}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed; install the Debian package wrk", file=sys.stderr)
        return 2
    unknown = [name for name in options.plugins if name not in CASES]
    if unknown:
        print(f"not measured here: {', '.join(unknown)}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    cases = {name: CASES[name] for name in options.plugins or CASES}
    for line in report(cases, measured(cases, options.rounds, options.seconds, options.connections)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
