"""Kong's settings from a file and the environment: what counts, and what is said of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.reading import Reading, Remark, read_settings
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.sources import Given, Unreadable, from_environment, from_file
from crossfade.kong_conf.table import ALIASES, TABLE
from crossfade.kong_conf.without_effect import FAMILIES, REASONS


def from_variables(**variables: str) -> Reading:
    return read_settings([from_environment(variables)])


def test_defaults_are_kongs() -> None:
    defaults = {setting.name: Given(setting.default, "default") for setting in TABLE}
    read = read_settings([defaults])
    assert [remark.text for remark in read.remarks] == ["has no effect: ssl_cipher_suite decides, unless it is custom"]
    usual = KongSettings()._replace(
        proxy_listen=(),
        ssl_protocols=("TLSv1.2", "TLSv1.3"),
        upstream_keepalive_max_requests=10_000,
        dns_order=("LAST", "SRV", "A", "CNAME"),
        dns_error_ttl=1.0,
    )
    # Where the gateway's own processes listen is up to the command.
    own = {"admin_listen": None, "status_listen": None, "log_level": None}
    assert read.settings._replace(proxy_listen=(), **own) == usual
    addresses = [(one.address, one.port, one.ssl, one.http2) for one in KongSettings().proxy_listen]
    assert [(one.address, one.port, one.ssl, one.http2) for one in read.settings.proxy_listen] == addresses


def test_every_setting_has_a_field_of_its_name() -> None:
    assert {setting.name for setting in TABLE} == set(KongSettings._fields)
    assert set(ALIASES.values()) <= set(KongSettings._fields)


def test_nothing_is_told_in_two_ways() -> None:
    names = {setting.name for setting in TABLE} | set(ALIASES)
    assert not names & set(REASONS)
    assert all(beginning for beginning, _ in FAMILIES)


def test_the_environment_goes_before_the_file() -> None:
    file = from_file("trusted_ips = 10.0.0.0/8\nheaders = off\n", "kong.conf")
    read = read_settings([from_environment({"KONG_TRUSTED_IPS": "127.0.0.1, ::1, unix:"}), file])
    assert (read.settings.trusted_ips, read.settings.headers) == (("127.0.0.1/32", "::1/128"), ())


def test_what_is_empty_is_not_set() -> None:
    base = KongSettings(trusted_ips=("10.0.0.0/8",))
    assert read_settings([{"trusted_ips": Given("", "x")}], base) == (base, (), {})


@pytest.mark.parametrize(
    ("variables", "field", "value"),
    [
        ({"KONG_TRUSTED_IPS": "10.1.2.3/8,[fd00::1]"}, "trusted_ips", ("10.0.0.0/8", "fd00::1/128")),
        ({"KONG_REAL_IP_HEADER": "PROXY_protocol"}, "real_ip_header", "proxy_protocol"),
        ({"KONG_NGINX_PROXY_REAL_IP_HEADER": "X-Client"}, "real_ip_header", "X-Client"),
        ({"KONG_REAL_IP_RECURSIVE": "on"}, "real_ip_recursive", True),
        ({"KONG_HEADERS": "Server_Tokens,via"}, "headers", ("server_tokens", "Via")),
        ({"KONG_HEADERS_UPSTREAM": "off"}, "headers_upstream", ()),
        ({"KONG_PORT_MAPS": "80:8000, 443:8443"}, "port_maps", ((8000, 80), (8443, 443))),
        ({"KONG_NGINX_WORKER_PROCESSES": "auto"}, "nginx_worker_processes", 0),
        ({"KONG_NGINX_MAIN_WORKER_PROCESSES": "3"}, "nginx_worker_processes", 3),
        ({"KONG_LOG_LEVEL": "crit"}, "log_level", "critical"),
        ({"KONG_PROXY_ACCESS_LOG": "/dev/stdout"}, "proxy_access_log", ("/dev/stdout", True)),
        ({"KONG_PROXY_ACCESS_LOG": "/var/log/k combined"}, "proxy_access_log", ("/var/log/k", False)),
        ({"KONG_PROXY_ACCESS_LOG": "off"}, "proxy_access_log", None),
        ({"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE": "8M"}, "nginx_http_client_max_body_size", 8 << 20),
        ({"KONG_CLIENT_MAX_BODY_SIZE": "512k"}, "nginx_http_client_max_body_size", 512 << 10),
        ({"KONG_ERROR_DEFAULT_TYPE": "text/html"}, "error_default_type", "text/html"),
        ({"KONG_ERROR_TEMPLATE_JSON": "/etc/e.json"}, "error_template_json", "/etc/e.json"),
        ({"KONG_SSL_CIPHER_SUITE": "modern"}, "ssl_cipher_suite", "modern"),
        ({"KONG_SSL_SESSION_TICKETS": "off"}, "ssl_session_tickets", False),
        ({"KONG_SSL_SESSION_TIMEOUT": "1d2h3m4s"}, "ssl_session_timeout", 93_784),
        ({"KONG_STATUS_LISTEN": "0.0.0.0:8100"}, "status_listen", (Listen("0.0.0.0", 8100),)),
        ({"KONG_STATUS_LISTEN": "off"}, "status_listen", ()),
        ({"KONG_ADMIN_LISTEN": "[::1]:8444 http2 ssl"}, "admin_listen", (Listen("::1", 8444, ssl=True, http2=True),)),
        ({"KONG_ALLOW_DEBUG_HEADER": "on"}, "allow_debug_header", True),
        ({"KONG_PROXY_ERROR_LOG": "/var/log/kong"}, "proxy_error_log", "/var/log/kong"),
        (
            {"KONG_DNS_RESOLVER": "10.0.0.1, 10.0.0.2:5353, [fd00::1]:53,::1"},
            "dns_resolver",
            (("10.0.0.1", 53), ("10.0.0.2", 5353), ("fd00::1", 53), ("::1", 53)),
        ),
        ({"KONG_RESOLVER_ADDRESS": "127.0.0.1"}, "dns_resolver", (("127.0.0.1", 53),)),
        ({"KONG_DNS_ORDER": "last,aaaa,A"}, "dns_order", ("LAST", "AAAA", "A")),
        ({"KONG_RESOLVER_FAMILY": "AAAA"}, "dns_order", ("AAAA",)),
        ({"KONG_DNS_VALID_TTL": "30"}, "dns_valid_ttl", 30.0),
        ({"KONG_DNS_ERROR_TTL": "0.5"}, "dns_error_ttl", 0.5),
        ({"KONG_LUA_SSL_TRUSTED_CERTIFICATE": "system"}, "lua_ssl_trusted_certificate", None),
        ({"KONG_LUA_SSL_TRUSTED_CERTIFICATE": "/etc/ca.pem"}, "lua_ssl_trusted_certificate", "/etc/ca.pem"),
        ({"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE": "0"}, "upstream_keepalive_pool_size", 0),
        ({"KONG_UPSTREAM_KEEPALIVE_MAX_REQUESTS": "5"}, "upstream_keepalive_max_requests", 5),
        ({"KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT": "7"}, "upstream_keepalive_idle_timeout", 7),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values(variables: dict[str, str], field: str, value: object) -> None:
    read = from_variables(**variables)
    assert (getattr(read.settings, field), read.remarks) == (value, ())


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"KONG_TRUSTED_IPS": "nonsense"}, "is 'nonsense': 'nonsense' is neither an address nor a network"),
        ({"KONG_TRUSTED_IPS": "10.0.0.1/255.0.0.0"}, "neither an address nor a network"),
        ({"KONG_REAL_IP_HEADER": "a b"}, "is 'a b': it must be the name of a header"),
        ({"KONG_REAL_IP_RECURSIVE": "maybe"}, "is 'maybe': it can be on or off"),
        ({"KONG_HEADERS": "nonsense"}, "'nonsense' is not known; use off or some of server_tokens"),
        ({"KONG_HEADERS_UPSTREAM": "server_tokens"}, "use off or some of X-Kong-Request-Id"),
        ({"KONG_PORT_MAPS": "80"}, "'80' is no pair of ports"),
        ({"KONG_PORT_MAPS": "80:0"}, "'80:0' is no pair of ports"),
        ({"KONG_NGINX_WORKER_PROCESSES": "0"}, "a whole number from 1 to 1024"),
        ({"KONG_NGINX_WORKER_PROCESSES": "٣"}, "a whole number from 1 to 1024"),
        ({"KONG_LOG_LEVEL": "loud"}, "it can be debug, info, notice"),
        ({"KONG_PROXY_LISTEN": "8000"}, "is not an IP address and a port"),
        ({"KONG_PROXY_ACCESS_LOG": "logs/access.log"}, "another absolute path: there is no prefix"),
        ({"KONG_PROXY_ACCESS_LOG": "/dev/stdout mine"}, "the format can be kong_log_format or combined"),
        ({"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE": "8x"}, "a size like 8m"),
        ({"KONG_ERROR_DEFAULT_TYPE": "text/css"}, "it can be text/plain, text/html"),
        ({"KONG_SSL_CIPHER_SUITE": "best"}, "it can be modern, intermediate, old, fips, custom"),
        ({"KONG_SSL_PROTOCOLS": "SSLv3"}, "some of TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
        ({"KONG_SSL_PROTOCOLS": "TLSv1 TLSv1.3"}, "must follow one another"),
        (
            {"KONG_SSL_CIPHERS": "DHE-RSA-AES128-GCM-SHA256"},
            "Envoy has no cipher DHE-RSA-AES128-GCM-SHA256; it has ECDHE",
        ),
        ({"KONG_SSL_SESSION_TIMEOUT": "soon"}, "a time like 1d"),
        ({"KONG_SSL_CERT": "/a,/b"}, "one certificate is taken"),
        ({"KONG_STATUS_LISTEN": "0.0.0.0:8100 ssl"}, "0.0.0.0:8100 has ssl, which is not offered there"),
        ({"KONG_ADMIN_LISTEN": "0.0.0.0:8001 proxy_protocol"}, "has proxy_protocol, which is not offered there"),
        ({"KONG_PROXY_ERROR_LOG": "logs/error.log"}, "another absolute path: there is no prefix"),
        ({"KONG_DNS_RESOLVER": "dns.test"}, "'dns.test' is no address of a name server"),
        ({"KONG_DNS_RESOLVER": "10.0.0.1:0"}, "is no address of a name server"),
        ({"KONG_DNS_RESOLVER": "10.0.0.256"}, "is no address of a name server"),
        ({"KONG_DNS_ORDER": "SRV"}, "it must have A or AAAA"),
        ({"KONG_DNS_ORDER": "A,MX"}, "some of LAST, SRV, A, AAAA, CNAME"),
        ({"KONG_DNS_VALID_TTL": "0"}, "a number from 0.1 to"),
        ({"KONG_DNS_ERROR_TTL": "1e3"}, "a number from 0.1 to"),
        ({"KONG_LUA_SSL_TRUSTED_CERTIFICATE": "system,/etc/ca.pem"}, "system or the absolute path of one file"),
        ({"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE": "-1"}, "a whole number from 0"),
        ({"KONG_TRUSTED_IPS": "{vault://env/ips}"}, "references are resolved in objects only"),
        ({"KONG_TRUSTED_IPS_FILE": "/run/ips"}, "no values are taken from files; set trusted_ips itself"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_value_is_an_error_that_says_what_is_allowed(variables: dict[str, str], says: str) -> None:
    (error,) = from_variables(**variables).errors
    assert error.startswith(next(iter(variables)))
    assert says in error


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("KONG_DATABASE", "has no effect: there is no database"),
        ("KONG_PG_PASSWORD", "has no effect: there is no database"),
        ("KONG_NGINX_HTTP_SUB_FILTER", "has no effect: it is a directive of nginx"),
        ("KONG_ADMIN_API_URI", "has no effect: the Admin API can only be read"),
        ("KONG_TRUSTED_IP", "has no effect: there is no setting trusted_ip; did you mean trusted_ips?"),
        ("KONG_XYZZY", "has no effect: there is no setting xyzzy"),
    ],
)
def test_what_has_no_effect_is_said_with_the_reason(name: str, says: str) -> None:
    read = from_variables(**{name: "secret-value"})
    assert read.settings == KongSettings()
    assert [(remark.where, remark.is_error) for remark in read.remarks] == [(name, False)]
    assert says in read.remarks[0].text
    assert "secret-value" not in read.remarks[0].text


def test_what_kubernetes_tells_of_services_is_no_setting() -> None:
    links = {
        "KONG_KONG_PROXY_SERVICE_HOST": "10.0.0.1",
        "KONG_KONG_PROXY_SERVICE_PORT": "80",
        "KONG_KONG_PROXY_SERVICE_PORT_KONG_PROXY_TLS": "443",
        "KONG_KONG_PROXY_PORT": "tcp://10.0.0.1:80",
        "KONG_KONG_PROXY_PORT_80_TCP": "tcp://10.0.0.1:80",
        "KONG_KONG_PROXY_PORT_80_TCP_PROTO": "tcp",
    }
    assert from_variables(**links) == (KongSettings(), (), {})


def test_the_file_is_kongs() -> None:
    text = r"""
# a comment = not a setting
trusted_ips = 10.0.0.0/8   # behind the value
 headers=off
real_ip_header = X-\#1
trusted_ips = 10.0.0.0/16
"""
    assert from_file(text, "kong.conf") == {
        "trusted_ips": Given("10.0.0.0/16", "kong.conf:6: trusted_ips"),
        "headers": Given("off", "kong.conf:4: headers"),
        "real_ip_header": Given("X-#1", "kong.conf:5: real_ip_header"),
    }


def test_a_line_that_is_no_setting_is_named() -> None:
    with pytest.raises(Unreadable, match=r"kong\.conf:2: 'trusted ips' is not of the form key = value"):
        from_file("headers = off\ntrusted ips", "kong.conf")


def test_a_wrong_line_of_the_file_is_named() -> None:
    (error,) = read_settings([from_file("\nheaders = x", "kong.conf")]).errors
    assert error.startswith("kong.conf:2: headers is 'x':")


def test_protocols_and_ciphers_count_with_a_suite_of_ones_own() -> None:
    own = {"KONG_SSL_PROTOCOLS": "TLSv1.3 TLSv1.2", "KONG_SSL_CIPHERS": "TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-SHA"}
    read = from_variables(KONG_SSL_CIPHER_SUITE="custom", **own)
    assert read.remarks == ()
    assert (read.settings.ssl_protocols, read.settings.ssl_ciphers) == (
        ("TLSv1.2", "TLSv1.3"),
        ("ECDHE-RSA-AES128-SHA",),
    )
    assert [remark.where for remark in from_variables(**own).remarks] == ["KONG_SSL_PROTOCOLS", "KONG_SSL_CIPHERS"]


def test_a_key_is_never_shown() -> None:
    (error,) = from_variables(KONG_SSL_CERT_KEY="secret,secret").errors
    assert "secret" not in error
    for name in ("ssl_cert_key", "admin_ssl_cert_key", "client_ssl_cert_key"):
        assert "secret" not in repr(KongSettings()._replace(**{name: "secret"}))
        assert "secret" not in repr(KongSettings()._replace(**{name: "secret"}))


@given(st.dictionaries(st.sampled_from([setting.name for setting in TABLE]), st.text(max_size=30)))
def test_any_text_is_a_value_or_an_error(texts: dict[str, str]) -> None:
    read = read_settings([{name: Given(text, name) for name, text in texts.items()}])
    assert all(isinstance(remark, Remark) and remark.is_error for remark in read.remarks)


def test_a_port_is_for_requests_or_for_streams() -> None:
    read = from_variables(KONG_PROXY_LISTEN="0.0.0.0:8000", KONG_STREAM_LISTEN="127.0.0.1:8000, 0.0.0.0:8000 udp")
    assert read.errors == ("KONG_STREAM_LISTEN names 127.0.0.1:8000, which proxy_listen takes: choose another port",)
