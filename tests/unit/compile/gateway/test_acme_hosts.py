"""For which hosts certificates are asked for."""

import pytest

from crossfade.compile.gateway.acme_hosts import hosts_of
from crossfade.compile.gateway.acme_store import LONGEST_HOST
from crossfade.compile.gateway.state import KongBackend, KongPath, KongRoute
from crossfade.compile.routing.matches import PathMatchKind
from crossfade_kube.core.ingress import IngressServiceBackend
from tests.support.models import ORIGIN

LONG = ".".join([*["a" * 40] * 5, "a" * 36])


def route(*hosts: str) -> KongRoute:
    backend = KongBackend("shop", IngressServiceBackend("web"), ORIGIN)
    return KongRoute("r", "r", backend, (KongPath(PathMatchKind.PREFIX, "/"),), ORIGIN, "", hosts)


@pytest.mark.parametrize(
    ("domains", "hosts", "expected"),
    [
        (["a.test"], [("a.test",)], ["a.test"]),
        (["A.Test"], [("a.test", "b.test")], ["a.test"]),
        (["a.test"], [("b.test",)], []),
        (["a.test", "b.test"], [()], ["a.test", "b.test"]),
        (["x.a.test"], [("*.a.test",)], ["x.a.test"]),
        (["x.y.a.test"], [("*.a.test",)], ["x.y.a.test"]),
        (["a.test"], [("*.a.test",)], []),
        (["a.test"], [("a.*",)], ["a.test"]),
        (["*.a.test"], [("x.a.test", "a.test", "x.y.a.test", "xa.test")], ["x.a.test", "x.y.a.test"]),
        (["*.a.test"], [("*.a.test",)], []),
        (["*.a.test"], [()], []),
        (["a.*", "a.test:80"], [("a.test",)], []),
        (["192.0.2.1"], [()], []),
        ([LONG, f"{LONG}b"], [()], [LONG]),
        (["a.test."], [()], []),
        (None, [("a.test",)], []),
        ([], [], []),
    ],
)
def test_domains_that_routes_name(domains: list[str] | None, hosts: list[tuple[str, ...]], expected: list[str]) -> None:
    assert len(LONG) == LONGEST_HOST
    config = {"domains": domains, "allow_any_domain": False}
    assert list(hosts_of(config, [route(*each) for each in hosts], ()).wanted) == expected


def test_any_domain_is_every_host_that_is_named() -> None:
    config = {"domains": ["elsewhere.test"], "allow_any_domain": True}
    found = hosts_of(config, [route("a.test", "*.b.test"), route("c.test"), route()], ())
    assert (found.wanted, found.unknown) == (("a.test", "c.test"), ("*", "*.b.test"))


@pytest.mark.parametrize(
    ("certified", "expected"),
    [
        (["a.b.test"], ["b.test", "c.b.test"]),
        (["*.b.test"], ["b.test"]),
        (["*.a.b.test", "b.*"], ["a.b.test", "b.test", "c.b.test"]),
    ],
)
def test_hosts_that_have_a_certificate_are_left_out(certified: list[str], expected: list[str]) -> None:
    config = {"domains": ["*.b.test", "b.test"], "allow_any_domain": False}
    assert list(hosts_of(config, [route("a.b.test", "b.test", "c.b.test")], certified).wanted) == expected


@pytest.mark.parametrize(
    ("domains", "host", "is_told"),
    [
        (["*.a.test"], "*.a.test", True),
        (["*.a.test"], "*.x.a.test", True),
        (["*.x.a.test"], "*.a.test", False),
        (["*.a.test"], "*.b.test", False),
        (["x.a.test"], "*.a.test", False),
    ],
)
def test_names_that_nobody_can_know_are_told(domains: list[str], host: str, is_told: bool) -> None:
    found = hosts_of({"domains": domains, "allow_any_domain": False}, [route(host)], ())
    assert found.unknown == ((host,) if is_told else ())
