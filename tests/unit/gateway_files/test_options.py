"""Options that cannot work are refused by name."""

import socket

import pytest
from msgspec.structs import replace

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.options import WrongOption, checked

PLAIN = CompileSettings(address="127.0.0.1", http_port=0, https_port=None)


def test_an_address_is_a_network_of_one() -> None:
    settings = checked(replace(PLAIN, trusted_ips=("127.0.0.1", "10.1.2.3/8", "::1")))
    assert settings.trusted_ips == ("127.0.0.1/32", "10.0.0.0/8", "::1/128")


def test_names_of_headers_are_taken_in_any_case() -> None:
    checked(replace(PLAIN, headers=("Server_Tokens", "x-kong-request-id"), headers_upstream=()))


@pytest.mark.parametrize(
    ("wrong", "texts"),
    [
        (replace(PLAIN, trusted_ips=("nonsense",)), ("--trusted-ips", "'nonsense'", "10.0.0.0/8")),
        (replace(PLAIN, headers=("nonsense",)), ("--headers", "'nonsense'", "server_tokens")),
        (replace(PLAIN, headers_upstream=("server_tokens",)), ("--headers-upstream", "X-Kong-Request-Id")),
        (replace(PLAIN, real_ip_header="a b"), ("--real-ip-header", "'a b'")),
        (replace(PLAIN, server_token="a\nb"), ("--server-token",)),
        (replace(PLAIN, address="localhost"), ("--address", "'localhost'")),
        (replace(PLAIN, http_port=8000, https_port=8000), ("--http-port and --https-port", "8000")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_nonsense_is_refused_with_what_would_do(wrong: CompileSettings, texts: tuple[str, ...]) -> None:
    with pytest.raises(WrongOption) as raised:
        checked(wrong)
    for text in texts:
        assert text in str(raised.value)


def test_a_port_in_use_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WrongOption, match=f"port {port} is in use .* --https-port"):
            checked(replace(PLAIN, https_port=port))
