"""The small servers of AWS's walkthrough of HTTP/2 without TLS: `aws_http2_apps.py color_server|color_client`."""

import os
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived


def color_server(port: int, color: str) -> socketserver.ThreadingTCPServer:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
            connection.initiate_connection()
            self.request.sendall(connection.data_to_send())
            while received := self.request.recv(65536):
                for event in connection.receive_data(received):
                    if isinstance(event, RequestReceived) and event.stream_id is not None:
                        connection.send_headers(event.stream_id, [(":status", "200")])
                        connection.send_data(event.stream_id, color.encode(), end_stream=True)
                self.request.sendall(connection.data_to_send())

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    return socketserver.ThreadingTCPServer(("0.0.0.0", port), Handler)


def color_client(port: int, host: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            command = ["curl", "-s", "-m", "5", "--http2-prior-knowledge", f"http://{host}/"]
            found = subprocess.run(command, capture_output=True, check=False).stdout if self.path != "/ping" else b""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    return ThreadingHTTPServer(("0.0.0.0", port), Handler)


def main(name: str) -> None:
    port = int(os.environ["PORT"])
    if name == "color_server":
        color_server(port, os.environ["COLOR"]).serve_forever()
    else:
        color_client(port, os.environ["COLOR_HOST"]).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
