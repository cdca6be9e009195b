"""Who holds a port, asked of the machine itself."""

import os
import socket

from crossfade_kube.port_owner import has_listener, port_owner


def test_a_listener_of_this_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert has_listener(port)
        owner = port_owner(port)
        assert owner
        assert owner.endswith(f" (process {os.getpid()})")
    assert not has_listener(port)
    assert port_owner(port) is None


def test_a_connection_is_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        port = client.getsockname()[1]
        assert not has_listener(port)
        assert port_owner(port) is None
