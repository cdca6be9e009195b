"""HAProxy as Debian ships it: keys by an ACL, limits by stick tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.compare.contestants import Contestant, World, on_ports, program, until_answered
from benchmarks.compare.scenarios import GATEWAYS, KEY
from tests.support.ports import free_ports

_ASKED: Final = f"  http-request deny deny_status 401 unless {{ req.hdr(apikey) -m str {KEY} }}\n"


def _limited(by: str, table: str, requests: int) -> str:
    return (
        f"  http-request track-sc0 {by} table {table}\n"
        f"  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {requests} }}\n"
    )


_BACKENDS: Final = {
    "plain": "",
    "key": _ASKED,
    "limit": _limited("src", "addresses", 1_000_000_000),
    "both": _ASKED + _limited("req.hdr(apikey)", "keys", 1_000_000_000),
    "spent": _ASKED + _limited("req.hdr(apikey)", "spent-keys", 1),
}
_CONFIG: Final = """\
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend all
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{secure} ssl crt {certificate} alpn h2,http/1.1
  use_backend %[path,field(2,/)]
{backends}{tables}"""
_BACKEND: Final = """\
backend {name}
{rules}  http-request set-path %[path,bytes({length})]
  server up 127.0.0.1:{upstream}
"""


@contextmanager
def haproxy(world: World) -> Iterator[Contestant]:
    folder = world.folder / "haproxy"
    folder.mkdir()
    plain, secure = free_ports(2)
    (folder / "both.pem").write_text(world.certificate.pem + world.certificate.key.read_text())
    backends = (
        _BACKEND.format(name=name, rules=rules, length=len(name) + 1, upstream=world.upstream)
        for name, rules in _BACKENDS.items()
    )
    tables = (
        f"backend {name}\n  stick-table type {kind} size 1m expire 1h store http_req_rate(1h)\n"
        for name, kind in (("addresses", "ip"), ("keys", "string"), ("spent-keys", "string"))
    )
    text = _CONFIG.format(
        plain=plain,
        secure=secure,
        certificate=folder / "both.pem",
        backends="".join(backends),
        tables="".join(tables),
    )
    (folder / "haproxy.cfg").write_text(text)
    with program(folder, ["haproxy", "-db", "-q", "-f", "haproxy.cfg"]) as pid:
        until_answered(plain)
        yield Contestant((pid,), on_ports(GATEWAYS, plain, secure))
