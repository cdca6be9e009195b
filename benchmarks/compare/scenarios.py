"""What all proxies are asked to do, and under which load."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from benchmarks.load import LARGE

KEY: Final = "bench-key"
WITH_KEY: Final = (("apikey", KEY),)
CONNECTIONS: Final = 32
HTTP2_CONNECTIONS, HTTP2_STREAMS = 4, 8
POSTED: Final = 2048
# Of `SPENT`: nine requests of ten.
REFUSED_SHARE: Final = 0.9
BODY_SCRIPT: Final = f'wrk.method = "POST"\nwrk.body = string.rep("x", {POSTED})\n'
SPENT_SCRIPT: Final = """\
local count, served, refused = 0, nil, nil
function init()
  served, refused = wrk.format(nil, "/both/x"), wrk.format(nil, "/spent/x")
end
function request()
  count = count + 1
  return count % 10 == 0 and served or refused
end
"""


class Over(StrEnum):
    HTTP = "http"
    TLS = "tls"
    HTTP2 = "http2"
    """Over TLS, as browsers speak it."""


class Scenario(NamedTuple):
    """`path` begins with the route that is asked, which every proxy strips. `base` is what ratios are to."""

    title: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    script: str = ""
    over: Over = Over.HTTP
    refused: float = 0.0
    base: str = "native"

    @property
    def route(self) -> str:
        return self.path.split("/")[1]


PLAIN: Final = "/plain/x"
GATEWAYS: Final[Mapping[str, Scenario]] = {
    "plain": Scenario("Plain proxying", PLAIN),
    "key-auth": Scenario("An API key", "/key/x", WITH_KEY),
    "limit": Scenario("A rate limit", "/limit/x"),
    "both": Scenario("Key and limit", "/both/x", WITH_KEY),
    "429": Scenario("90 % over the limit", "/spent/x", WITH_KEY, SPENT_SCRIPT, refused=REFUSED_SHARE),
    "tls": Scenario("Plain, over TLS", PLAIN, over=Over.TLS),
    "http2": Scenario("Plain, over HTTP/2 and TLS", PLAIN, over=Over.HTTP2),
    "10kb": Scenario("Plain, answers of 10 KB", f"/plain{LARGE}"),
    "post": Scenario("Plain, POST of 2 KB", PLAIN, script=BODY_SCRIPT),
}
MESH: Final[Mapping[str, Scenario]] = {
    "hop": Scenario("A hop in the mesh", "/", base="bare"),
    "path": Scenario("Client, gateway, mesh, application", "/dj/jazz/x", base="bare"),
}
ALL: Final[Mapping[str, Scenario]] = {**GATEWAYS, **MESH}
