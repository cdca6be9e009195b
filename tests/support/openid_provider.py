"""An OpenID provider on loopback: it shows its keys over TLS, changes them, and signs tokens."""

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.serving import serving
from tests.support.tls import issue

DISCOVERY = "/.well-known/openid-configuration"


class Provider:
    """`authorities` is the file by which its certificate can be checked; while `is_down` it answers 503."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.is_down = False
        authority = issue("authority")
        pair = issue("provider", authority)
        self.authorities = folder / "authorities.pem"
        self.authorities.write_bytes(authority.certificate_pem)
        (folder / "provider.pem").write_bytes(pair.certificate_pem + pair.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "provider.pem")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.change_key("first")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    def change_key(self, kid: str) -> None:
        self.kid = kid
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, **claims: Any) -> str:
        whole = {"iss": self.url, "sub": "ann", "exp": int(time.time()) + 600, **claims}
        return jwt.encode(whole, self.key, algorithm="RS256", headers={"kid": self.kid})

    def page(self, path: str) -> Any:
        if path == DISCOVERY:
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": self.kid, "use": "sig"}]}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            body = json.dumps(provider.page(self.path)).encode()
            self.send_response(503 if provider.is_down else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    return Handler


@contextmanager
def openid_provider(folder: Path) -> Iterator[Provider]:
    """`folder` gets its certificates."""
    provider = Provider(folder)
    with serving(provider.server):
        yield provider
