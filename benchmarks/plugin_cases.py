"""Each plugin on a route of its own, as `plugin_costs` measures it: its configuration, and what clients send."""

import atexit
import base64
import hashlib
import hmac
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.support.gateway import service
from tests.support.ldap_server import BASE
from tests.support.oidc_provider import secret_of
from tests.support.openssl import Files

Headers = tuple[tuple[str, str], ...]

KEY = "bench-key"
SECRET = "a-secret-of-thirty-two-characters"
AUTHORITY = "7f3a2c9e-5b1d-4e8f-9a60-2d4c8b7e1f35"
LIMITS = {"second": 1_000_000, "minute": 60_000_000}
OPENID = {
    "client_id": ["shop"],
    "client_secret": [secret_of("shop")],
    "scopes": ["openid", "email", "orders"],
    "session_secret": "a secret for sessions",
}
LOG = Path(tempfile.gettempdir()) / "crossfade-plugin-costs.json"
atexit.register(LOG.unlink, missing_ok=True)
CERTIFIED = {"ca_certificates": [AUTHORITY], "revocation_check_mode": "SKIP"}
BODY = '{"number": 17, "name": "' + "x" * 200 + '"}'


class Case(NamedTuple):
    """`knows_consumer`: needs key-auth in front. `plugin` where it is not the case's name.

    `headers` are what clients send, or make them once, before all requests. `shows` is what they have from an OpenID
    provider, from the plugin itself (`own-token`) or with a first answer (`cookie`). `asks`: the server that the plugin
    turns to. `tls`: over connections that are `kept` or `new`, on which the client shows a certificate. `varies`: no
    two requests are alike. `answers`: no request reaches the upstream. `body`: clients send it by POST.
    """

    config: Mapping[str, Any] = {}
    headers: Headers | Callable[[], Headers] = ()
    knows_consumer: bool = False
    plugin: str | None = None
    asks: Literal["redis", "ldap", "lambda", "udp", "tcp", "http", "syslog"] | None = None
    shows: Literal["token", "session", "own-token", "cookie"] | None = None
    tls: Literal["kept", "new"] | None = None
    varies: bool = False
    answers: bool = False
    body: str = ""

    @property
    def sent(self) -> Headers:
        return self.headers() if callable(self.headers) else self.headers


class Signer(NamedTuple):
    """Tokens of the consumer `bench`: a key for each algorithm."""

    algorithm: Literal["HS256", "RS256", "ES256"]
    key: Any

    @property
    def issuer(self) -> str:
        return f"bench-{self.algorithm.lower()}"

    def headers(self) -> Headers:
        private = self.key
        if not isinstance(private, str):
            private = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return (("Authorization", f"Bearer {jwt.encode({'iss': self.issuer}, private, self.algorithm)}"),)

    def secret(self) -> dict[str, str]:
        if isinstance(self.key, str):
            shared = {"secret": self.key}
        else:
            public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            shared = {"rsa_public_key": public.decode()}
        return {"key": self.issuer, "algorithm": self.algorithm, **shared}


SIGNERS = (
    Signer("HS256", SECRET),
    Signer("RS256", rsa.generate_private_key(65537, 2048)),
    Signer("ES256", ec.generate_private_key(ec.SECP256R1())),
)


def hmac_headers() -> Headers:
    date = formatdate(usegmt=True)
    signature = base64.b64encode(hmac.digest(SECRET.encode(), f"date: {date}".encode(), hashlib.sha256)).decode()
    told = f'hmac username="bench", algorithm="hmac-sha256", headers="date", signature="{signature}"'
    return (("Date", date), ("Authorization", told))


def webhook_headers() -> Headers:
    now = str(int(time.time()))
    signed = hmac.digest(SECRET.encode(), f"message.{now}.{BODY}".encode(), hashlib.sha256)
    signature = f"v1,{base64.b64encode(signed).decode()}"
    return (("webhook-id", "message"), ("webhook-timestamp", now), ("webhook-signature", signature))


def basic(scheme: str) -> Headers:
    return (("Authorization", f"{scheme} {base64.b64encode(b'bench:bench').decode()}"),)


HS256, RS256, ES256 = SIGNERS
# Of traces; a port at which nobody listens.
NO_BACKEND = "http://127.0.0.1:9"
BATCHES = {"max_batch_size": 200}
CASES: Mapping[str, Case] = {
    "acl": Case({"allow": ["team"]}, knows_consumer=True),
    "aws-lambda": Case(
        {"aws_key": "AKIDEXAMPLE", "aws_secret": SECRET, "aws_region": "eu-west-1", "function_name": "bench"},
        asks="lambda",
        answers=True,
    ),
    "basic-auth": Case(headers=basic("Basic")),
    "bot-detection": Case({"deny": ["scanner"]}, (("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"),)),
    "correlation-id": Case({"echo_downstream": True}),
    "cors": Case({"origins": ["https://a.test"]}, (("Origin", "https://a.test"),)),
    "datadog": Case(asks="udp"),
    "file-log": Case({"path": str(LOG)}),
    "hmac-auth": Case({"clock_skew": 1_000_000}, hmac_headers),
    "http-log": Case({"queue": BATCHES}, asks="http"),
    "ip-restriction": Case({"allow": ["127.0.0.0/8", "10.0.0.0/8"]}),
    "jwt-hs256": Case({}, HS256.headers, plugin="jwt"),
    "jwt-rs256": Case({}, RS256.headers, plugin="jwt"),
    "jwt-es256": Case({}, ES256.headers, plugin="jwt"),
    "key-auth": Case(headers=(("apikey", KEY),)),
    "ldap-auth": Case({"base_dn": BASE, "attribute": "uid", "cache_ttl": 3600}, basic("ldap"), asks="ldap"),
    "loggly": Case({"key": "bench"}, asks="udp"),
    "mtls-auth": Case(CERTIFIED, tls="kept"),
    "mtls-auth-on-new-connections": Case(CERTIFIED, tls="new", plugin="mtls-auth"),
    "oauth2": Case({"enable_client_credentials": True, "provision_key": SECRET}, shows="own-token"),
    "openid-connect-bearer": Case({"auth_methods": ["bearer"]}, plugin="openid-connect", shows="token"),
    "openid-connect-session": Case(
        {**OPENID, "auth_methods": ["authorization_code", "session"], "session_idling_timeout": 0},
        plugin="openid-connect",
        shows="session",
    ),
    "post-function": Case({"access": ["kong.service.request.set_header('X-Post', 'yes')"]}),
    "pre-function": Case(
        {
            "access": ["kong.service.request.set_header('X-Pre', kong.request.get_header('x-a') or 'none')"],
            "header_filter": ["kong.response.set_header('X-Down', 'yes')"],
        }
    ),
    "opentelemetry-1-percent": Case(
        {"traces_endpoint": f"{NO_BACKEND}/v1/traces", "sampling_rate": 0.01, "queue": BATCHES}, plugin="opentelemetry"
    ),
    "prometheus": Case({"status_code_metrics": True, "latency_metrics": True, "bandwidth_metrics": True}),
    "proxy-cache-bypass": Case({"strategy": "memory", "request_method": ["PUT"]}, plugin="proxy-cache"),
    "proxy-cache-hit": Case({"strategy": "memory", "content_type": ["*/*"]}, plugin="proxy-cache", answers=True),
    "proxy-cache-miss": Case({"strategy": "memory", "content_type": ["*/*"]}, plugin="proxy-cache", varies=True),
    "rate-limiting": Case({**LIMITS, "policy": "local"}),
    "rate-limiting-in-redis": Case({**LIMITS, "policy": "redis"}, plugin="rate-limiting", asks="redis"),
    "rate-limiting-synced": Case({**LIMITS, "policy": "redis", "sync_rate": 1}, plugin="rate-limiting", asks="redis"),
    "redirect": Case({"status_code": 302, "location": "https://a.test/"}, answers=True),
    "request-size-limiting": Case({"allowed_payload_size": 1}, body=BODY),
    "request-termination": Case({"status_code": 200, "message": "closed"}, answers=True),
    "request-transformer": Case(
        {"add": {"headers": ["x-a:1"], "querystring": ["q:1"]}, "remove": {"headers": ["x-b"]}},
    ),
    "request-transformer-body": Case(
        {"add": {"body": ["more:1"]}}, (("Content-Type", "application/json"),), plugin="request-transformer", body=BODY
    ),
    "response-ratelimiting": Case({"limits": {"video": {"minute": 60_000_000}}}),
    "response-transformer": Case({"add": {"headers": ["x-a:1"]}, "remove": {"headers": ["x-b"]}}),
    "session": Case({"secret": SECRET, "cookie_secure": False}, (("apikey", KEY),), shows="cookie"),
    "statsd": Case(asks="udp"),
    "standard-webhooks": Case({"secret_v1": SECRET, "tolerance_second": 1_000_000}, webhook_headers, body=BODY),
    "syslog": Case(asks="syslog"),
    "tcp-log": Case(asks="tcp"),
    "udp-log": Case(asks="udp"),
    "zipkin-1-percent": Case(
        {"http_endpoint": f"{NO_BACKEND}/api/v2/spans", "sample_ratio": 0.01, "queue": BATCHES}, plugin="zipkin"
    ),
    "zipkin-all": Case(
        {"http_endpoint": f"{NO_BACKEND}/api/v2/spans", "sample_ratio": 1, "queue": BATCHES}, plugin="zipkin"
    ),
}
CREDENTIALS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "bench-key": ("key-auth", {"key": KEY}),
    "bench-basic": ("basic-auth", {"username": "bench", "password": "bench"}),
    "bench-acl": ("acl", {"group": "team"}),
    "bench-hmac": ("hmac-auth", {"username": "bench", "secret": SECRET}),
    "bench-oauth2": (
        "oauth2",
        {"name": "bench", "client_id": "bench", "client_secret": SECRET, "redirect_uris": "https://a.test/"},
    ),
    **{signer.issuer: ("jwt", signer.secret()) for signer in SIGNERS},
}
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
    servers: Mapping[str, int] | None = None,
    issuer: str = "",
) -> str:
    """`port` is the upstream's; `servers` are the ports of those that plugins ask."""
    parts = [service("up", port), _consumer(), ROUTE.format(name="plain", plugins="", more=""), _authority(authority)]
    for name, case in cases.items():
        parts.append(_plugin(name, case, servers or {}, issuer))
        plugins = f"key-auth,{name}" if case.knows_consumer or case.shows == "cookie" else name
        more = ', konghq.com/snis: "bench.test"' if case.tls else ""
        parts.append(ROUTE.format(name=f"r-{name}", plugins=plugins, more=more))
    if "key-auth" not in cases:
        parts.append(_plugin("key-auth", CASES["key-auth"], {}, ""))
    return "".join(parts)


def _plugin(name: str, case: Case, servers: Mapping[str, int], issuer: str) -> str:
    known = {"issuer": issuer} if case.shows in ("token", "session") else {}
    config = {**case.config, **_server(case, servers), **known}
    head = {"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": {"name": name}}
    return _written({**head, "plugin": case.plugin or name, "config": config})


def _server(case: Case, servers: Mapping[str, int]) -> dict[str, Any]:
    match case.asks:
        case "redis":
            return {"redis": {"host": "127.0.0.1", "port": servers["redis"]}}
        case "ldap":
            return {"ldap_host": "127.0.0.1", "ldap_port": servers["ldap"]}
        case "lambda":
            return {"host": "127.0.0.1", "port": servers["lambda"], "disable_https": True}
        case "udp" | "tcp" as kind:
            return {"host": "127.0.0.1", "port": servers[kind]}
        case "http":
            return {"http_endpoint": f"http://127.0.0.1:{servers['http']}/records"}
        case "syslog" | None:
            return {}


def _consumer() -> str:
    metadata = {"name": "bench", "annotations": {"kubernetes.io/ingress.class": "kong"}}
    head = {"apiVersion": "configuration.konghq.com/v1", "kind": "KongConsumer", "metadata": metadata}
    secrets = (_secret(name, kind, data) for name, (kind, data) in CREDENTIALS.items())
    return _written({**head, "username": "bench", "credentials": list(CREDENTIALS)}) + "".join(secrets)


def _secret(name: str, kind: str, data: Mapping[str, str]) -> str:
    metadata = {"name": name, "labels": {"konghq.com/credential": kind}}
    return _written({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _authority(files: Files) -> str:
    metadata = {
        "name": "authority",
        "labels": {"konghq.com/ca-cert": "true"},
        "annotations": {"kubernetes.io/ingress.class": "kong"},
    }
    data = {"id": AUTHORITY, "cert": files.pem}
    return _written({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _written(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest) + "\n---\n"
