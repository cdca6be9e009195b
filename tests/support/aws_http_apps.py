"""The small servers of AWS's walkthroughs, over HTTP/1.1: `aws_http_apps.py PROGRAM`, set up by their variables.

Needs nothing but the standard library.
"""

import itertools
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple

NAME: Final = os.environ.get("HOSTNAME", "") or str(os.getpid())
# App Mesh by itself asks three times: half of the requests fail for who asks, and none with four more times.
_GOOD_OF: Final = 4
# Of 45 s it makes 16.2 s: a test does not wait as long as the walkthrough, but longer than a route does by default.
_TIME_SCALE: Final = 0.36


class Answer(NamedTuple):
    status: int
    body: str
    server: str = ""
    """What the header `HostUID` says."""


class Request(NamedTuple):
    path: str
    headers: Mapping[str, str]


Program = Callable[[Request], Answer]


def color() -> Program:
    told = os.environ.get("COLOR", "no color!")
    wait_s = float(os.environ.get("TIMEOUT_VALUE", "0")) * _TIME_SCALE

    def answer(_: Request) -> Answer:
        time.sleep(wait_s)
        return Answer(200, told)

    return answer


def flaky_color() -> Program:
    """Every fourth request is answered, and 503 to the others."""
    told, count = os.environ.get("COLOR", "no color!"), itertools.count(1)

    def answer(_: Request) -> Answer:
        return Answer(200 if next(count) % _GOOD_OF == 0 else 503, told)

    return answer


def color_that_fails_when_told() -> Program:
    statuses = [200]

    def answer(request: Request) -> Answer:
        if request.path in ("/fault", "/recover"):
            statuses[0] = 500 if request.path == "/fault" else 200
            return Answer(200, f"host: {NAME} will now respond with {statuses[0]} on /get.")
        return Answer(statuses[0], "purple" if statuses[0] == 200 else "no colors 4 u", NAME)

    return answer


def front() -> Program:
    host = os.environ.get("COLOR_HOST") or os.environ["HOST"]

    def answer(request: Request) -> Answer:
        color_header = request.headers.get("color_header")
        return _asked(f"http://{host}/", {} if color_header is None else {"color_header": color_header})

    return answer


def counting_front() -> Program:
    """Counts by the server that answered and the status."""
    host, lock = os.environ["COLOR_SERVICE_ENDPOINT"], threading.Lock()
    counts: dict[str, dict[str, int]] = {}

    def answer(request: Request) -> Answer:
        if request.path == "/stats":
            return Answer(200, json.dumps(counts))
        found = _asked(f"http://{host}/{request.path.removeprefix('/color/')}", {})
        if found.server:
            with lock:
                one = counts.setdefault(found.server, {})
                one[str(found.status)] = one.get(str(found.status), 0) + 1
        return found

    return answer


def hello_of_port(port: int) -> Program:
    return lambda _: Answer(200, f"Hello world {port}\n")


def _asked(url: str, headers: Mapping[str, str]) -> Answer:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers))) as found:
            return Answer(found.status, found.read().decode(), found.headers.get("HostUID", ""))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), error.headers.get("HostUID", ""))
    except OSError as error:
        return Answer(500, str(error))


def _server(port: int, program: Program) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One segment for head and body: two would wait for each other's acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            request = Request(self.path, {name.lower(): value for name, value in self.headers.items()})
            found = Answer(200, "") if request.path == "/ping" else program(request)
            body = found.body.encode()
            self.send_response(found.status)
            if found.server:
                self.send_header("HostUID", found.server)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)
    server.daemon_threads = True
    return server


PROGRAMS: Final = {one.__name__: one for one in (color, flaky_color, color_that_fails_when_told, front, counting_front)}


def main(name: str) -> None:
    if name == hello_of_port.__name__:
        ports = [int(os.environ[variable]) for variable in ("PORT1", "PORT2")]
        servers = [_server(port, hello_of_port(port)) for port in ports]
    else:
        port = os.environ.get("SERVER_PORT") or os.environ.get("PORT") or "8080"
        servers = [_server(int(port), PROGRAMS[name]())]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main(sys.argv[1])
