"""The small servers of AWS's walkthroughs that speak gRPC: `aws_grpc_apps.py PROGRAM`.

Messages are written by hand: each has one field, the number 1 or a text.
"""

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import grpc

_COLORS: Final = ("no_color", "red", "blue", "green")
Method = Callable[[bytes], bytes]


def color_server() -> Mapping[str, Method]:
    current = [b""]

    def set_color(question: bytes) -> bytes:
        before, current[0] = current[0], question
        return before

    return {"/color.ColorService/GetColor": lambda _: current[0], "/color.ColorService/SetColor": set_color}


def greeter() -> Mapping[str, Method]:
    def say_hello(question: bytes) -> bytes:
        """`string = 1` in both messages."""
        told = b"Hello " + question[2:]
        return bytes([0x0A, len(told)]) + told

    return {"/Hello/SayHello": say_hello}


def serve(port: int, methods: Mapping[str, Method]) -> grpc.Server:
    health = {"/grpc.health.v1.Health/Check": lambda _: b"\x08\x01"}

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            found = {**health, **methods}.get(details.method)
            return grpc.unary_unary_rpc_method_handler(lambda question, _: found(question)) if found else None

    server = grpc.server(ThreadPoolExecutor(4), handlers=(Handlers(),))
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    return server


def color_client(port: int, host: str) -> ThreadingHTTPServer:
    """`/getColor` and `/setColor` over HTTP/1.1; a method that is not there is 404."""
    channel = grpc.insecure_channel(host)

    def called(path: str, body: str) -> tuple[int, str]:
        question = bytes([0x08, _COLORS.index(body)]) if body else b""
        method = f"/color.ColorService/{path[1].upper()}{path[2:]}"
        try:
            found = channel.unary_unary(method)(question, timeout=5)
        except grpc.RpcError as error:
            code = error.code()
            return 404 if code is grpc.StatusCode.UNIMPLEMENTED else 500, f"rpc error: code = {code.name}"
        return 200, _COLORS[found[1] if found else 0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            status, text = (200, "") if self.path == "/ping" else called(self.path, asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    return ThreadingHTTPServer(("0.0.0.0", port), Handler)


def main(name: str) -> None:
    port = int(os.environ.get("PORT", "9111"))
    if name == color_client.__name__:
        color_client(port, os.environ["COLOR_HOST"]).serve_forever()
    else:
        serve(port, {one.__name__: one for one in (color_server, greeter)}[name]()).wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
