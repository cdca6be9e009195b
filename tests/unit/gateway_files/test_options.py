"""Options that cannot work are refused by name."""

import socket

import pytest

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.options import WrongOption, check
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings
from tests.support.ports import free_ports


def listening(*ports: int) -> CompileSettings:
    return CompileSettings(kong=KongSettings(proxy_listen=tuple(Listen("127.0.0.1", port) for port in ports)))


def test_a_token_must_fit_into_a_header() -> None:
    with pytest.raises(WrongOption, match="--server-token"):
        check(CompileSettings(server_token="a\nb"), {})


@pytest.mark.parametrize(("has_option", "named"), [(True, "--https-port"), (False, "proxy_listen")])
def test_a_port_in_use_is_named_with_what_gave_it(has_option: bool, named: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = {port: "--https-port"} if has_option else {}
        with pytest.raises(WrongOption, match=f"port {port} is in use .* {named}"):
            check(listening(port), options)


def test_one_port_is_not_for_two() -> None:
    (port,) = free_ports(1)
    kong = KongSettings(
        proxy_listen=(Listen("127.0.0.1", port),), status_listen=(Listen("0.0.0.0", port),), admin_listen=None
    )
    with pytest.raises(WrongOption, match="proxy_listen and status_listen both name"):
        check(CompileSettings(kong=kong), {})


def test_free_ports_are_fine() -> None:
    check(listening(0), {})
