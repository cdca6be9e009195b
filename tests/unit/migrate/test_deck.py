"""Entities of Kong's declarative configuration → objects, and what is said of what has no manifest."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.migrate.deck.convert import converted
from crossfade.migrate.deck.output import Options
from crossfade.migrate.deck.reading import deck_tree, is_deck
from crossfade.migrate.deck.tree import NotDeclarative
from crossfade.migrate.report import Report, Verdict
from crossfade_kube import yaml_texts

Json = dict[str, Any]


def migrate(configuration: Json) -> tuple[dict[str, Json], Report]:
    """Objects by `Kind name`."""
    text = yaml.safe_dump({"_format_version": "3.0", **configuration})
    made = converted(deck_tree({"kong.yaml": text}), Options(), CompileSettings(stands_alone=True))
    objects = [item for each in made.texts.values() for item in yaml_texts.load_all(each)]
    return {f"{item['kind']} {item['metadata']['name']}": item for item in objects}, made.report


def said(report: Report) -> set[tuple[str, str, str]]:
    return {(entry.entity, entry.field, entry.verdict.value) for entry in report.entries}


def annotations(objects: dict[str, Json], name: str) -> Json:
    found: Json = objects[name]["metadata"].get("annotations", {})
    return found


def service(**fields: Any) -> Json:
    return {"name": "shop", "host": "127.0.0.1", "port": 9080, "protocol": "http", **fields}


def with_route(**fields: Any) -> Json:
    return {"services": [service(routes=[{"name": "r", "paths": ["/"], **fields}])]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"path": "/base"}, {"konghq.com/path": "/base"}),
        ({"retries": 5, "read_timeout": 60000}, {}),
        ({"retries": 0, "read_timeout": 5}, {"konghq.com/retries": "0", "konghq.com/read-timeout": "5"}),
        ({"url": "https://127.0.0.1/x"}, {"konghq.com/protocol": "https", "konghq.com/path": "/x"}),
        ({"tls_verify": True}, {"konghq.com/tls-verify": "true"}),
    ],
)
def test_services(fields: Json, expected: Json) -> None:
    objects, _ = migrate({"services": [service(**fields)]})
    assert annotations(objects, "Service shop") == expected
    assert objects["EndpointSlice shop"]["endpoints"] == [{"addresses": ["127.0.0.1"]}]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"konghq.com/strip-path": "true", "konghq.com/preserve-host": "false"}),
        ({"strip_path": False, "preserve_host": True}, {}),
        (
            {"strip_path": False, "preserve_host": True, "methods": ["GET", "PUT"], "snis": ["a.test"]},
            {"konghq.com/methods": "GET,PUT", "konghq.com/snis": "a.test"},
        ),
        (
            {"strip_path": False, "preserve_host": True, "headers": {"X-A": ["1,2", "3"]}, "protocols": ["https"]},
            {
                "konghq.com/protocols": "https",
                "konghq.com/headers-separator": "|",
                "konghq.com/headers.X-A": "1,2|3",
            },
        ),
        (
            {"strip_path": False, "preserve_host": True, "hosts": ["a.*", "A_b", "a.test", "*.b.test"]},
            {"konghq.com/host-aliases": "a.*,A_b,*.b.test"},
        ),
    ],
)
def test_routes(fields: Json, expected: Json) -> None:
    objects, _ = migrate(with_route(**fields))
    assert annotations(objects, "Ingress r") == expected


@pytest.mark.parametrize(
    ("version", "path", "expected"),
    [
        ("3.0", "/a", "/a"),
        ("3.0", "~/a/\\d+$", "/~/a/\\d+$"),
        ("3.0", "/a(b)", "/a(b)"),
        ("1.1", "/a(b)", "/~/a(b)"),
        ("2.1", "/a.b~%20-_", "/a.b~%20-_"),
    ],
)
def test_regexes_are_known_by_their_format(version: str, path: str, expected: str) -> None:
    objects, _ = migrate({**with_route(paths=[path]), "_format_version": version})
    (rule,) = objects["Ingress r"]["spec"]["rules"]
    assert [each["path"] for each in rule["http"]["paths"]] == [expected]


def test_upstreams_become_endpoints_or_a_name() -> None:
    targets = [
        {"target": "127.0.0.1:1"},
        {"target": "[::1]:2"},
        {"target": "127.0.0.2:1"},
        {"target": "127.0.0.3", "weight": 0},
    ]
    objects, report = migrate(
        {
            "services": [service(host="pool"), service(name="named", host="names")],
            "upstreams": [
                {"name": "pool", "targets": targets, "host_header": "in.test"},
                {"name": "names", "targets": [{"target": "a.test:81"}, {"target": "b.test:81"}]},
            ],
        }
    )
    assert annotations(objects, "Service shop") == {"konghq.com/host-header": "in.test"}
    slices = [objects[name] for name in ("EndpointSlice shop", "EndpointSlice shop-2")]
    assert [(each["addressType"], each["ports"][0]["port"], len(each["endpoints"])) for each in slices] == [
        ("IPv4", 1, 2),
        ("IPv6", 2, 1),
    ]
    assert objects["Service named"]["spec"]["externalName"] == "a.test"
    assert ("service named", "host", "refused") in said(report)


def test_plugins_are_referred_to_by_what_they_are_attached_to() -> None:
    limit = {"name": "rate-limiting", "config": {"minute": 5}}
    objects, report = migrate(
        {
            "services": [service(id="s-1", routes=[{"name": "r", "paths": ["/"]}])],
            "consumers": [{"username": "ann"}],
            "plugins": [
                {**limit, "route": "r", "consumer": {"username": "ann"}},
                {"name": "cors", "service": {"id": "s-1"}, "enabled": False},
                {"name": "correlation-id", "protocols": ["https"]},
                {"name": "acl", "route": "gone"},
            ],
        }
    )
    assert annotations(objects, "Ingress r")["konghq.com/plugins"] == "r-ann-rate-limiting"
    assert annotations(objects, "KongConsumer ann")["konghq.com/plugins"] == "r-ann-rate-limiting"
    assert annotations(objects, "Service shop")["konghq.com/plugins"] == "shop-cors"
    assert objects["KongPlugin shop-cors"]["disabled"] is True
    everywhere = objects["KongClusterPlugin global-correlation-id"]
    assert everywhere["metadata"]["labels"] == {"global": "true"}
    assert everywhere["protocols"] == ["https"]
    assert ("plugin acl of route gone", "", "refused") in said(report)


def test_consumers_credentials_and_groups() -> None:
    objects, report = migrate(
        {
            "consumers": [
                {
                    "username": "Ann B",
                    "custom_id": "7",
                    "groups": [{"name": "Gold"}],
                    "keyauth_credentials": [{"key": "s3cret", "ttl": 60}, {"key": "other"}],
                    "basicauth_credentials": [{"username": "ann", "password": "a" * 40}],
                }
            ],
            "acls": [{"consumer": "Ann B", "group": "staff"}, {"consumer": "nobody", "group": "staff"}],
            "consumer_groups": [{"name": "Gold"}],
        }
    )
    consumer = objects["KongConsumer ann-b"]
    assert (consumer["username"], consumer["custom_id"], consumer["consumerGroups"]) == ("Ann B", "7", ["gold"])
    assert consumer["credentials"] == ["ann-b-key-auth", "ann-b-key-auth-2", "ann-b-basic-auth", "ann-b-acl"]
    assert objects["Secret ann-b-key-auth"]["stringData"] == {"key": "s3cret", "ttl": "60"}
    assert {
        ("basic-auth of consumer Ann B", "password", "refused"),
        ("acl of consumer nobody", "consumer", "refused"),
        ("consumer_group Gold", "name", "different"),
    } <= said(report)
    assert "s3cret" not in repr(report)


def test_an_upstreams_policy() -> None:
    upstream = {
        "name": "pool",
        "hash_on": "header",
        "hash_on_header": "x-user",
        "healthchecks": {
            "active": {"http_path": "/up", "healthy": {"interval": 5}, "unhealthy": {"interval": 0}},
            "passive": {"unhealthy": {"http_failures": 0}},
        },
        "targets": [{"target": "127.0.0.1:1"}],
    }
    objects, _ = migrate({"services": [service(host="pool")], "upstreams": [upstream]})
    assert annotations(objects, "Service shop") == {"konghq.com/upstream-policy": "shop"}
    spec = objects["KongUpstreamPolicy shop"]["spec"]
    assert (spec["algorithm"], spec["hashOn"]) == ("consistent-hashing", {"header": "x-user"})
    assert spec["healthchecks"]["active"]["httpPath"] == "/up"
    off = {"healthchecks": {"active": {"healthy": {"interval": 0}}}, "algorithm": "round-robin", "slots": 10000}
    objects, report = migrate(
        {"services": [service(host="pool")], "upstreams": [{**upstream, "hash_on": "none", **off}]}
    )
    assert "KongUpstreamPolicy shop" not in objects
    assert report.count(Verdict.EXACT) == len(report.kept)


def test_certificates_are_named_by_an_ingress() -> None:
    certificate = {"cert": "c", "key": "k", "snis": [{"name": "a.test"}]}
    objects, report = migrate(
        {**with_route(hosts=["a.test"]), "certificates": [certificate, {"cert": "c", "key": "k"}]}
    )
    assert objects["Ingress r"]["spec"]["tls"] == [{"hosts": ["a.test"], "secretName": "certificate-a-test"}]
    assert objects["Secret certificate-a-test"]["type"] == "kubernetes.io/tls"
    assert ("certificate #2", "snis", "refused") in said(report)
    _, report = migrate({"certificates": [certificate]})
    assert ("certificate #1", "snis", "refused") in said(report)


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        (with_route(sources=[{"ip": "10.0.0.1"}]), ("route r", "sources", "refused")),
        (with_route(protocols=["tcp"]), ("route r", "protocols", "refused")),
        (with_route(expression="x"), ("route r", "expression", "refused")),
        (with_route(paths=None), ("route r", "paths", "different")),
        (with_route(hosts="a.test"), ("route r", "hosts", "refused")),
        (with_route(headers={"X": ["".join([",", "|", ";", "!", " ~ "])]}), ("route r", "headers", "refused")),
        (with_route(paths=["/~x"]), ("route r", "paths", "refused")),
        ({"routes": [{"name": "r", "paths": ["/"]}]}, ("route r", "service", "refused")),
        ({"services": [service(client_certificate={"id": "x"})]}, ("service shop", "client_certificate", "refused")),
        ({"services": [service(host='${{ env "DECK_HOST" }}')]}, ("service shop", "host", "refused")),
        ({"services": [{"name": "shop", "url": "http://[::"}]}, ("service shop", "host", "refused")),
        ({"upstreams": [{"name": "u"}]}, ("upstream u", "", "refused")),
        ({"licenses": [{"payload": "x"}]}, ("licenses", "", "refused")),
        ({"services": [service(ca_certificates=["x"])]}, ("service shop", "ca_certificates", "refused")),
        ({"plugins": [{"name": "canary"}]}, ("plugin canary", "plugin", "refused")),
    ],
)
def test_what_is_not_kept_is_told(configuration: Json, expected: tuple[str, str, str]) -> None:
    entity, field, verdict = expected
    _, report = migrate(configuration)
    found = {(each[0].partition(" of ")[0], *each[1:]) for each in said(report)}
    assert (entity, field, verdict) in found


def test_certificates_towards_upstreams() -> None:
    configuration = {
        "services": [
            service(protocol="https", client_certificate={"id": "c-1"}, ca_certificates=["a-1"], tls_verify=True)
        ],
        "certificates": [{"id": "c-1", "cert": "c", "key": "k"}],
        "ca_certificates": [{"id": "a-1", "cert": "a"}],
    }
    objects, _ = migrate(configuration)
    assert annotations(objects, "Service shop") == {
        "konghq.com/protocol": "https",
        "konghq.com/tls-verify": "true",
        "konghq.com/client-cert": "certificate-c-1",
        "konghq.com/ca-certificates-secrets": "ca-a-1",
    }
    assert objects["Secret certificate-c-1"]["stringData"] == {"tls.crt": "c", "tls.key": "k"}
    authority = objects["Secret ca-a-1"]
    assert (authority["stringData"], authority["metadata"]["labels"]) == (
        {"id": "a-1", "cert": "a"},
        {"konghq.com/ca-cert": "true"},
    )


def test_vaults() -> None:
    objects, report = migrate({"vaults": [{"prefix": "settings", "name": "env", "config": {"prefix": "APP_"}}]})
    assert objects["KongVault settings"]["spec"] == {
        "backend": "env",
        "prefix": "settings",
        "config": {"prefix": "APP_"},
    }
    assert [(kept.entity, kept.verdict) for kept in report.kept] == [("vault settings", Verdict.EXACT)]


def test_what_is_switched_off_is_not_written() -> None:
    objects, report = migrate({"services": [service(enabled=False, routes=[{"name": "r", "paths": ["/"]}])]})
    assert objects == {}
    assert report.count(Verdict.EXACT) == 2


def test_several_files_and_defaults() -> None:
    one = yaml.safe_dump({"_format_version": "3.0", "_info": {"defaults": {"service": {"retries": 1}}}})
    two = yaml.safe_dump({"_format_version": "3.0", "services": [service()]})
    tree = deck_tree({"one.yaml": one, "two.yaml": two})
    assert [node.fields["retries"] for node in tree.of("service")] == [1]
    assert is_deck(two)
    assert not is_deck("kind: Ingress")
    assert not is_deck("a: [")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_format_version: '9.0'", "not known"),
        ("services: []", "_format_version is missing"),
        ("_format_version: '3.0'\nservices: {}", "services is no list"),
        ("_format_version: '3.0'\nservices: [5]", "no object"),
        ("a: [", "kong.yaml:"),
    ],
)
def test_what_is_no_configuration(text: str, message: str) -> None:
    with pytest.raises(NotDeclarative, match=message):
        deck_tree({"kong.yaml": text})


NAMES = ["name", "host", "port", "url", "paths", "hosts", "config", "username", "key", "target", "healthchecks", "tags"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=6,
)
ENTITIES = st.lists(
    st.dictionaries(st.sampled_from([*NAMES, "service", "route", "consumer"]), VALUES, max_size=5), max_size=3
)
COLLECTIONS = st.sampled_from(
    ["services", "routes", "plugins", "consumers", "upstreams", "targets", "certificates", "acls"]
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(COLLECTIONS, ENTITIES, max_size=4))
def test_whatever_the_file_holds_is_judged(configuration: Json) -> None:
    _, report = migrate(configuration)
    assert not [entry for entry in report.entries if "fault in Crossfade" in entry.text]
