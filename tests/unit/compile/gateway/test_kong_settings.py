"""What Kong's settings become in the gateway's model."""

import pytest
from msgspec.structs import replace

from crossfade.compile.gateway.keepalive import kept_alive
from crossfade.compile.gateway.listeners import listeners
from crossfade.compile.gateway.name_lookups import looked_up
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.log_format import log_format
from crossfade.compile.model import Cluster, Discovery, HttpHandler, IpFamily, Listener, ServerCertificate, ServerTls
from crossfade.compile.routing.origin import Origin
from crossfade.kong_conf.listen import listens
from crossfade.kong_conf.settings import AccessLogPath, KongSettings
from crossfade_kube.meta import ObjectRef

CLUSTER = Cluster("c", Discovery.EDS, (), Origin(ObjectRef("v1", "Service", "shop", "web")), idle_timeout_s=60.0)


def listening(kong: KongSettings) -> list[Listener]:
    return list(listeners(CompileSettings(kong=kong, default_certificate=ServerCertificate("C", "K")), []))


def test_each_address_is_a_listener_of_its_own_name() -> None:
    found = listening(KongSettings(proxy_listen=listens("0.0.0.0:80, 0.0.0.0:81 proxy_protocol, [::1]:443 ssl")))
    assert [(one.name, one.address, one.port, one.has_proxy_protocol) for one in found] == [
        ("http", "0.0.0.0", 80, False),
        ("http-2", "0.0.0.0", 81, True),
        ("https", "::1", 443, False),
    ]
    assert all(chain.certificate is None for one in found[:2] for chain in one.chains)


@pytest.mark.parametrize(
    ("kong", "expected"),
    [
        (KongSettings(), ServerTls()),
        (KongSettings(ssl_cipher_suite="modern"), ServerTls("TLSv1.3", "TLSv1.3")),
        (KongSettings(ssl_protocols=("TLSv1.3",)), ServerTls()),
        (KongSettings(ssl_cipher_suite="custom", ssl_protocols=("TLSv1.3",)), ServerTls("TLSv1.3", "TLSv1.3")),
        (KongSettings(ssl_cipher_suite="custom", ssl_ciphers=("AES128-SHA",)), ServerTls(ciphers=("AES128-SHA",))),
        (KongSettings(ssl_session_tickets=False), ServerTls(has_tickets=False)),
        (KongSettings(ssl_session_timeout=60), ServerTls(session_timeout_s=60)),
    ],
)
def test_tls_towards_clients(kong: KongSettings, expected: ServerTls) -> None:
    assert {chain.tls for chain in listening(kong)[1].chains} == {expected}


@pytest.mark.parametrize(
    ("kong", "most", "idle_s"),
    [
        (KongSettings(), None, 60.0),
        (KongSettings(upstream_keepalive_pool_size=0), 1, 60.0),
        (KongSettings(upstream_keepalive_max_requests=5), 5, 60.0),
        (KongSettings(upstream_keepalive_idle_timeout=0), None, 0.0),
    ],
)
def test_connections_to_services(kong: KongSettings, most: int | None, idle_s: float) -> None:
    kept = kept_alive(CLUSTER, kong)
    assert (kept.max_requests_per_connection, kept.idle_timeout_s) == (most, idle_s)


@pytest.mark.parametrize(
    ("kong", "family", "refresh_s", "retry_s"),
    [
        (KongSettings(), IpFamily.V4_FIRST, None, None),
        (KongSettings(dns_order=("LAST", "SRV", "A", "CNAME")), IpFamily.V4_FIRST, None, None),
        (KongSettings(dns_order=("A", "AAAA")), IpFamily.V4_FIRST, None, None),
        (KongSettings(dns_order=("AAAA", "A")), IpFamily.ANY, None, None),
        (KongSettings(dns_order=("AAAA", "CNAME")), IpFamily.V6, None, None),
        (KongSettings(dns_valid_ttl=30.0, dns_error_ttl=0.5), IpFamily.V4_FIRST, 30.0, 0.5),
    ],
)
def test_names_are_looked_up(
    kong: KongSettings, family: IpFamily, refresh_s: float | None, retry_s: float | None
) -> None:
    named = replace(CLUSTER, discovery=Discovery.STRICT_DNS, ip_family=IpFamily.V4_FIRST)
    found = looked_up(named, kong)
    assert (found.ip_family, found.dns_refresh_s, found.dns_retry_s) == (family, refresh_s, retry_s)
    assert looked_up(CLUSTER, kong) is CLUSTER


@pytest.mark.parametrize("has_request_id", [True, False])
def test_the_access_log_is_a_format_that_envoy_takes(has_request_id: bool) -> None:
    handler = (
        listening(KongSettings(proxy_access_log=AccessLogPath("/dev/stdout", has_request_id)))[0].chains[0].handler
    )
    assert isinstance(handler, HttpHandler)
    assert handler.access_log is not None
    text = handler.access_log.text
    assert text is not None
    assert log_format(text) == text
    assert ("kong_request_id" in text) is has_request_id
