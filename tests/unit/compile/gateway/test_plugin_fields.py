"""Fields of plugin objects that are not carried out: who is told, and who has nothing to be told."""

from typing import Any

import pytest

from crossfade.api.kong.plugin import KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.plugin_fields import unheeded_fields
from crossfade.compile.gateway.route_policies import (
    RANK_GLOBAL,
    RANK_ROUTE,
    RANK_ROUTE_CONSUMER,
    Attached,
    Instance,
    tell_protocols,
)
from crossfade.compile.gateway.state import KongBackend, KongRoute
from crossfade.compile.policies.plugin import is_for_http
from crossfade.compile.policies.registry import Accepted, judge_plugin
from crossfade.compile.routing.origin import Origin
from crossfade_kube.core.ingress import IngressServiceBackend
from crossfade_kube.meta import ObjectRef


def attached(name: str, *protocols: str, rank: int = RANK_ROUTE, for_carriers: bool = False) -> Attached:
    ref = ObjectRef("configuration.konghq.com/v1", "KongPlugin", "shop", name)
    verdict = judge_plugin("key-auth", {})
    assert isinstance(verdict, Accepted)
    return Attached(Instance(ref, "key-auth", verdict, protocols=protocols), rank, "", for_carriers)


def told(*found: Attached, protocols: tuple[str, ...] = ("http", "https")) -> list[tuple[str, str]]:
    origin = Origin(ObjectRef("networking.k8s.io/v1", "Ingress", "shop", "web"))
    backend = KongBackend("shop", IngressServiceBackend("web"), origin)
    route = KongRoute("web", "1", backend, (), origin, "", protocols=protocols)
    diagnostics = Diagnostics()
    tell_protocols(found, route, diagnostics)
    return [(one.ref.name, one.message.partition(" from ")[2].partition(",")[0]) for one in diagnostics]


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"run_on": "first"}, []),
        ({"run_on": "all"}, []),
        ({"instance_name": "keys"}, []),
        ({"protocols": ("https", "tcp")}, []),
        ({"run_on": "second"}, ["plugin.run-on"]),
        ({"consumer_ref": "bob"}, ["plugin.consumer-ref"]),
        ({"protocols": ("tcp", "tls")}, ["plugin.streams-only"]),
    ],
)
def test_only_what_means_something_is_told(fields: dict[str, Any], codes: list[str]) -> None:
    found = list(unheeded_fields(KongPlugin(plugin="key-auth", **fields)))
    assert [one.code for one in found] == codes
    assert all(one.field and one.message and one.effect and one.hint for one in found)


def test_only_lists_without_any_protocol_of_http_are_for_streams() -> None:
    assert not is_for_http(("tcp", "tls"))
    assert is_for_http(("tcp", "grpc"))
    assert is_for_http(())


def test_what_counts_sessions_may_be_for_streams_only() -> None:
    assert list(unheeded_fields(KongPlugin(plugin="prometheus", protocols=("tcp",)))) == []


@pytest.mark.parametrize(
    ("listed", "taken", "expected"),
    [
        ((), ("http", "https"), []),
        (("http", "https"), ("http", "https"), []),
        (("https",), ("https",), []),
        (("https",), ("http", "https"), [("one", "http")]),
        (("http", "https"), ("grpcs",), [("one", "grpcs")]),
        (("http", "tcp"), ("http", "https"), [("one", "https")]),
    ],
)
def test_protocols_are_told_where_routes_take_others(
    listed: tuple[str, ...], taken: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    assert told(attached("one", *listed), protocols=taken) == expected


def test_nothing_is_told_of_a_plugin_that_does_not_come_to_run() -> None:
    everywhere = attached("everywhere", "https", rank=RANK_GLOBAL)
    assert told(everywhere, attached("nearer")) == []
    assert told(everywhere, attached("carried", rank=RANK_ROUTE_CONSUMER, for_carriers=True)) == [
        ("everywhere", "http")
    ]
    refused = Instance(everywhere.instance.ref, "key-auth", None, protocols=("https",))
    assert told(Attached(refused, RANK_ROUTE, "")) == []
