"""A port that cannot be had is told before anything is begun."""

import os
import socket

import pytest

from crossfade.controller.ports import PortUse, check_ports
from crossfade_kube.errors import ConfigError
from tests.support.ports import free_ports


def test_a_port_that_somebody_has_names_both_sides() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"port {port} is wanted for webhooks \(HOOKS\), and .*process {os.getpid()}"
        ):
            check_ports([PortUse("127.0.0.1", port, "webhooks", "HOOKS")])
    check_ports([PortUse("127.0.0.1", port, "webhooks", "HOOKS")])


def test_one_port_for_two_things_names_both() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConfigError, match=rf"port {port} is wanted for health checks and for webhooks \(HOOKS\)"):
        check_ports([PortUse("127.0.0.1", port, "health checks"), PortUse("127.0.0.1", port, "webhooks", "HOOKS")])


def test_an_address_that_is_not_ours_is_told() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConfigError, match="cannot be had"):
        check_ports([PortUse("192.0.2.1", port, "webhooks")])


def test_any_port_is_free() -> None:
    check_ports([PortUse("127.0.0.1", 0, "health checks"), PortUse("127.0.0.1", 0, "webhooks")])
