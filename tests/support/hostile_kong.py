"""Hostile but storable objects of every kind that the gateway reads, and a small good gateway for them to live in.

Storable is what the structs can read: more than what our definitions let through, and than an API server would.
"""

import base64
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import strategies as st

from crossfade.api.kong.class_parameters import IngressClassParameters
from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.credentials import CREDENTIAL_KINDS, CREDENTIAL_LABEL
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.compile.gateway import annotations
from crossfade.compile.gateway.annotation_table import OBJECTS_OF
from crossfade.compile.gateway.authorities import CA_LABEL
from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade_kube import yaml_texts
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL, EndpointSlice
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import DecodeError, TypedObject, decode
from tests.support import hostile, hostile_secrets, tls
from tests.support.hostile_plugins import plugin_bodies
from tests.support.hostile_secrets import NUMBER_TEXTS
from tests.support.struct_schema import struct_schema

Kind = type[TypedObject]
Hostile = tuple[Kind, JsonObject]
Key = tuple[Kind, str]

NAMESPACE: Final = "shop"
OLD: Final = "2026-01-01T00:00:00Z"
YOUNG: Final = "2026-02-01T00:00:00Z"
# Manifest files may hold anything here.
_CREATED: Final = (YOUNG, YOUNG, YOUNG, YOUNG, "9999-12-31T23:59:59Z", "~ yesterday \x00")
GOOD_FILE: Final = Path(__file__).with_name("hostile_kong_good.yaml")
_HOSTS: Final = (
    "shop.test", "*.shop.test", "shop.*", "a.shop.test", "*", "*.", ".*", "a.*.b", "*.*", "SHOP.test",
    "shop.test.", "a..b", "10.0.0.1", "::1", "[::1]", "fe80::1%eth0", "xn--bcher-kva.test", "-", "_",
    "shop.test:80", "a" * 64 + ".test", "a." * 126 + "a", "a." * 127 + "a",
)  # fmt: skip
_PATHS: Final = (
    "/", "/a", "/a/", "/a/b", "/b", "//", "/a//b", "", "a", "/a.b", "/a b", "/%2F", "/~", "/~/", "/~/a", "/~a", "~/a",
    "/a?b#c", "/\u00fc", "/a" * 2000, "/~/v\\d+/c", "/(", "/a|/b", "/a\x00b",
)  # fmt: skip
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "name": ("one", "two", "far", "ghost", "http", "other", "params", "config", "x-version", "GET"),
    "namespace": (NAMESPACE, "other"),
    "host": _HOSTS,
    "hosts": _HOSTS,
    "snis": _HOSTS,
    "path": (*_PATHS, "/base"),
    "pathType": ("Prefix", "Exact", "ImplementationSpecific", "Regex", ""),
    "secretName": ("cert", "config", "ghost"),
    "ingressClassName": ("kong", "kong", "other", ""),
    "apiGroup": ("configuration.konghq.com", "incubator.ingress-controller.konghq.com", ""),
    "serviceName": ("one", "two", "far", "ghost", ""),
    "kind": ("IngressClassParameters", "KongServiceFacade", "Service"),
    "scope": ("Namespace", "Cluster"),
    "controller": ("ingress-controllers.konghq.com/kong",),
    "type": ("ClusterIP", "ExternalName", "LoadBalancer", "http", "https", "tcp", "grpc", "grpcs", "moon"),
    "externalName": ("far.example.test", "10.0.0.9", "fd00::9", "a b", "a..b", "*.test", "far.test:80"),
    "targetPort": ("http", "8080"),
    "addresses": ("10.0.0.1", "fd00::1", "fe80::1%eth0", "one.test", "0.0.0.0", "::ffff:10.0.0.1", "010.0.0.1", "1"),
    "addressType": ("IPv4", "IPv6", "FQDN"),
    "protocol": ("TCP", "UDP", "http", "https", "grpc", "grpcs", "tcp", "ws"),
    "protocols": ("http", "https", "grpc", "grpcs", "tcp"),
    "methods": ("GET", "post", " PUT ", "GE T"),
    "username": ("ann", "bob", "cy"),
    "custom_id": ("id-ann", "cy"),
    "credentials": ("ann-key", "bob-key", "group", "config", "ghost", "hostile"),
    "consumerGroups": ("gold", "gold", "hostile"),
    "host_header": (*_HOSTS, "two.test:8080"),
    "path_handling": ("v0", "v1"),
    "algorithm": ("round-robin", "least-connections", "latency", "consistent-hashing", "sticky-sessions", "moon"),
    "hash_on": ("none", "consumer", "ip", "path", "header", "cookie", "query_arg", "uri_capture", "moon"),
    "hash_fallback": ("none", "consumer", "ip", "path", "header", "cookie", "query_arg", "uri_capture", "moon"),
    "input": ("none", "consumer", "ip", "path", "moon"),
    "header": ("X-User", "x-user", ":path", "a b", ""),
    "cookie": ("sid", "a b", "a;b", "", "a" * 300),
    "cookiePath": ("/", "/a", "a", "/a;b", ""),
    "hash_on_header": ("X-User", "host"),
    "hash_on_cookie": ("sid", "s=d"),
    "hash_on_cookie_path": ("/", "/a;b"),
    "http_path": (*_PATHS, "/health"),
    "httpPath": (*_PATHS, "/health"),
    "https_sni": _HOSTS,
    "httpsSni": _HOSTS,
}
_REGEX_PATHS: Final = hostile.regex().map(lambda text: f"/~{text}")


TEXTS: Final[hostile.Texts] = {
    **{name: st.sampled_from(words) for name, words in _WORDS.items()},
    "path": st.sampled_from(_WORDS["path"]) | _REGEX_PATHS | hostile.regex(),
}
_MAPPING_KEYS: Final = (
    "x-version",
    "X-Version",
    "host",
    ":path",
    "a b",
    "",
    "\u00fc",
    "a" * 20_000,
    "a\r\nb",
    "\ud800",
)
# Metadata and what holds more than a struct says are made apart.
_APART: Final = frozenset({"metadata", "status", "data", "config", "configFrom", "configPatches", "ordering"})


# The plugin `certified` names it.
AUTHORITY_ID: Final = "7f3a2c9e-5b1d-4e8f-9a60-2d4c8b7e1f35"
_TRUSTED: Final = {CA_LABEL: "true"}


@cache
def good_documents() -> tuple[Hostile, ...]:
    kinds = {kind.RESOURCE.kind: kind for kind in INPUT_KINDS}
    found = []
    for document in yaml_texts.load_all(GOOD_FILE.read_text()):
        document["metadata"] |= {"uid": f"u-{document['metadata']['name']}", "creationTimestamp": OLD}
        plain = document.pop("stringData", None)
        if plain is not None:
            document["data"] = _encoded({name: text.encode() for name, text in plain.items()})
        found.append((kinds[document["kind"]], document))
    pair = hostile_secrets.good_pair()
    data = {"tls.crt": pair.certificate.encode(), "tls.key": pair.key.encode()}
    authority = {"data": {"cert": _authority()}}
    trusted = {"data": _encoded({"id": AUTHORITY_ID.encode(), "cert": _authority().encode()})}
    return (
        *found,
        (Secret, _manifest(Secret, "cert", {"data": _encoded(data)}, {}, {}, created=OLD)),
        (ConfigMap, _manifest(ConfigMap, "authority", authority, {}, {}, created=OLD)),
        (Secret, _manifest(Secret, "trusted", trusted, {annotations.CLASS: "kong"}, _TRUSTED, created=OLD)),
    )


@cache
def _authority() -> str:
    return tls.issue("authority").certificate_pem.decode()


def good_objects() -> dict[Key, Any]:
    """By kind and name; all namespaced ones are in the same namespace."""
    return {(kind, document["metadata"]["name"]): decode(document, kind) for kind, document in good_documents()}


def _encoded(data: hostile_secrets.Data) -> dict[str, str]:
    return {name: base64.b64encode(value).decode() for name, value in data.items()}


def _manifest(
    kind: Kind, name: str, body: JsonObject, noted: dict[str, str], labels: dict[str, str], *, created: str
) -> JsonObject:
    metadata: JsonObject = {"name": name, "uid": f"u-{name}", "creationTimestamp": created, "generation": 1}
    metadata |= {"annotations": noted, "labels": labels}
    if kind.RESOURCE.namespaced:
        metadata["namespace"] = NAMESPACE
    return {"apiVersion": kind.RESOURCE.api_version, "kind": kind.RESOURCE.kind, "metadata": metadata, **body}


def _bodies(kind: Kind) -> st.SearchStrategy[JsonObject]:
    if kind in (KongPlugin, KongClusterPlugin):
        return plugin_bodies()
    if kind is ConfigMap:
        return _config_map_bodies()
    schema = struct_schema(kind, without=_APART, keys=_MAPPING_KEYS)
    templates = [
        {name: part for name, part in document.items() if name in schema["properties"]}
        for found, document in good_documents()
        if found is kind
    ]
    grown = [hostile.planted(template, schema, TEXTS, ()) for template in templates]
    wild: st.SearchStrategy[JsonObject] = hostile.value(schema, TEXTS)
    shaped = [_ingress_bodies()] * 6 if kind is Ingress else [_stream_bodies(kind)] * 3 if kind in _STREAMS else []
    return st.one_of(*grown, *grown, *grown, *shaped, wild)


def _ingress_bodies() -> st.SearchStrategy[JsonObject]:
    """Whose references are right."""
    service = {"name": st.sampled_from(("one", "two", "far")), "port": st.just({"number": 80})}
    backend = st.fixed_dictionaries({"service": st.fixed_dictionaries(service)})
    path = {"path": TEXTS["path"] | hostile.strange_text(), "pathType": TEXTS["pathType"], "backend": backend}
    paths = st.lists(st.fixed_dictionaries(path), min_size=1, max_size=3)
    host = {"host": TEXTS["host"] | hostile.strange_text()}
    rule = st.fixed_dictionaries({"http": st.fixed_dictionaries({"paths": paths})}, optional=host)
    tls = st.fixed_dictionaries({"hosts": st.lists(TEXTS["host"], max_size=3), "secretName": TEXTS["secretName"]})
    spec = {"ingressClassName": st.just("kong"), "rules": st.lists(rule, min_size=1, max_size=2)}
    optional = {"tls": st.lists(tls, max_size=2), "defaultBackend": backend}
    return st.fixed_dictionaries({"spec": st.fixed_dictionaries(spec, optional=optional)})


_STREAMS: Final = (TcpIngress, UdpIngress)


def _stream_bodies(kind: Kind) -> st.SearchStrategy[JsonObject]:
    """At ports that are listened on, most of them."""
    ports = st.sampled_from((9000, 9443, 9443, 9053, 0, -1, 2**63 - 1))
    service = {"serviceName": TEXTS["serviceName"], "servicePort": st.sampled_from((80, 81, 53, 0, -1, 2**63 - 1))}
    rule: dict[str, Any] = {"port": ports, "backend": st.fixed_dictionaries(service)}
    hosts = {"host": TEXTS["host"] | hostile.strange_text()} if kind is TcpIngress else {}
    rules = st.lists(st.fixed_dictionaries(rule, optional=hosts), max_size=4)
    tls = st.fixed_dictionaries({"hosts": st.lists(TEXTS["host"], max_size=3), "secretName": TEXTS["secretName"]})
    optional = {"tls": st.lists(tls, max_size=2)} if kind is TcpIngress else {}
    return st.fixed_dictionaries({"spec": st.fixed_dictionaries({"rules": rules}, optional=optional)})


def _config_map_bodies() -> st.SearchStrategy[JsonObject]:
    return _authorities().map(lambda found: {"data": found})


def _authorities() -> st.SearchStrategy[dict[str, str]]:
    no_authority = hostile_secrets.good_pair().certificate
    texts = st.sampled_from((_authority(), _authority() * 2, f"x\u00fc{_authority()}", no_authority, "", "-----BEGIN"))
    ids = st.sampled_from((AUTHORITY_ID, AUTHORITY_ID.upper(), f"{AUTHORITY_ID}\n", "7", "")) | hostile.strange_text()
    any_text = texts | hostile.strange_text()
    return st.fixed_dictionaries({}, optional={"cert": any_text, "ca.crt": any_text, "id": ids})


def _secret_bodies(name: str) -> st.SearchStrategy[JsonObject]:
    """Mostly of the sort that the name promises."""
    authorities = _authorities().map(lambda found: {key: _bytes(text) for key, text in found.items()})
    sorts = {"config": hostile_secrets.config_data(), "cert": hostile_secrets.pairs(), "trusted": authorities}
    promised = sorts.get(name, hostile_secrets.credential_data())
    return st.one_of(promised, promised, promised, *sorts.values()).map(lambda data: {"data": _encoded(data)})


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_BOOLEANS: Final = st.sampled_from(("true", "false", "TRUE", "yes", "", " true "))
_NUMBERS: Final = st.sampled_from(NUMBER_TEXTS) | st.integers(-10, 100_000).map(str)
_PLUGIN_LISTS: Final = st.lists(
    st.sampled_from(("keys", "limit", "taken", "wide", "certified", "ghost", "hostile", "other:keys", ":a", "a:", "")),
    max_size=4,
).map(",".join)
_HEADER_LISTS: Final = st.lists(
    st.sampled_from(("v1", "~*^v[23]$", "~*(", "~*", "~*\\C", "", "v 1", "\u00fc")), max_size=3
).map(",".join)
_METHOD_LISTS: Final = st.sampled_from(("GET,POST", "get", "GET,,PUT", "GE T", "\u00df", "GET" * 5000, ""))
_BY_SUFFIX: Final[dict[str, st.SearchStrategy[str]]] = {
    "plugins": _PLUGIN_LISTS,
    "override": st.sampled_from(("tuned", "routed", "ghost", "hostile", "")),
    "client-cert": st.sampled_from(("cert", "config", "ghost", "hostile", "")),
    "ca-certificates-secrets": st.sampled_from(("cert", "ghost", "hostile", "hostile, cert", ",")),
    "ca-certificates-configmaps": st.sampled_from(("authority", "ghost", "hostile", "hostile, authority", ",")),
    "tls-verify": st.sampled_from(("true", "1", "T", "false", "yes", "")),
    "upstream-policy": st.sampled_from(("ways", "ghost", "hostile", "")),
    "headers-separator": st.sampled_from((",", "|", "", "v", "\x00")),
    "methods": _METHOD_LISTS,
    "host-aliases": st.lists(st.sampled_from(_HOSTS), max_size=3).map(",".join),
    "snis": st.lists(st.sampled_from(_HOSTS), max_size=3).map(",".join),
    "host-header": st.sampled_from((*_HOSTS, "two.test:8080")),
    "path": st.sampled_from(_PATHS),
    "protocols": st.lists(st.sampled_from((*_WORDS["protocols"], "tls", "tls_passthrough")), max_size=3).map(",".join),
    "protocol": st.sampled_from(_WORDS["protocol"]),
    "regex-prefix": st.sampled_from(("/~", "/@", "", "(", "/")),
    "path-handling": st.sampled_from(("v0", "v1", "")),
    "ingress.class": st.sampled_from(("kong", "other", "")),
}
_ANYWHERE: Final = (*annotations.LEGACY_KEYS, annotations.PLUGINS, "konghq.com/nonsense")
_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    Ingress: (
        *(key for key, kinds in OBJECTS_OF.items() if "Ingress" in kinds),
        *_ANYWHERE,
        annotations.FORCE_SSL_REDIRECT,
    ),
    Service: (
        *(key for key, kinds in OBJECTS_OF.items() if "Service" in kinds),
        *_ANYWHERE,
        annotations.SERVICE_UPSTREAM,
    ),
    TcpIngress: ("konghq.com/protocols", "konghq.com/protocols", *_ANYWHERE),
}


_CLASSED: Final = (
    KongConsumer,
    KongConsumerGroup,
    KongClusterPlugin,
    KongServiceFacade,
    TcpIngress,
    UdpIngress,
    Secret,
    ConfigMap,
)


@st.composite
def noted(draw: hostile.Draw, kind: Kind) -> dict[str, str]:
    """Annotations; most kinds that need their class have it."""
    found = {}
    for key in draw(st.lists(st.sampled_from(_KEYS.get(kind, _ANYWHERE)), max_size=6)):
        known = _BY_SUFFIX.get(key.partition("/")[2], _NUMBERS | _BOOLEANS)
        found[key] = draw(known | known | hostile.strange_text())
    if kind is Ingress and draw(st.integers(0, 2)) == 0:
        name = draw(st.sampled_from(_MAPPING_KEYS))
        found[f"{annotations.HEADERS_PREFIX}{name}"] = draw(_HEADER_LISTS | hostile.strange_text())
    has_class = kind in _CLASSED
    if draw(st.integers(0, 9)) < (9 if has_class else 1):
        found[annotations.CLASS] = "kong" if has_class else draw(_BY_SUFFIX["ingress.class"])
    if kind is IngressClass and draw(st.booleans()):
        found["ingressclass.kubernetes.io/is-default-class"] = draw(_BOOLEANS)
    return found


def _labels(kind: Kind) -> st.SearchStrategy[dict[str, str]]:
    if kind is EndpointSlice:
        return st.sampled_from(("one", "two", "far", "hostile", "")).map(lambda name: {SERVICE_NAME_LABEL: name})
    if kind is KongClusterPlugin:
        return st.sampled_from(({}, {"global": "true"}))
    if kind is Secret:
        types = st.sampled_from((*CREDENTIAL_KINDS, "moon", ""))
        return st.just({}) | st.just(_TRUSTED) | types.map(lambda name: {CREDENTIAL_LABEL: name})
    if kind is ConfigMap:
        return st.just({}) | st.just(_TRUSTED)
    return st.just({})


@cache
def manifests_of(kind: Any, names: tuple[str, ...]) -> st.SearchStrategy[Hostile]:
    """Younger than the good ones. Made once: there are hundreds of strategies in it."""

    def made(name: str, body: JsonObject, notes: dict[str, str], labels: dict[str, str], created: str) -> Hostile:
        return kind, _manifest(kind, name, body, notes, labels, created=created)

    more = (noted(kind), _labels(kind), st.sampled_from(_CREATED))
    if kind is Secret:
        return st.one_of(*[st.builds(made, st.just(name), _secret_bodies(name), *more) for name in names])
    return st.builds(made, st.sampled_from(names), _bodies(kind), *more)


# How often a kind comes up: those with more to go wrong more often.
_SHARES: Final[dict[Kind, int]] = {IngressClass: 1, IngressClassParameters: 1, Ingress: 6, Service: 4, Secret: 4}
_SHARE: Final = 3


def _any_kind(names: dict[Kind, tuple[str, ...]]) -> st.SearchStrategy[Hostile]:
    kinds = [kind for kind in INPUT_KINDS for _ in range(_SHARES.get(kind, _SHARE))]
    return st.sampled_from(kinds).flatmap(lambda kind: manifests_of(kind, names[kind]))


def manifests(*names: str) -> st.SearchStrategy[Hostile]:
    """An object of any kind."""
    return _any_kind(dict.fromkeys(INPUT_KINDS, names))


def worlds() -> st.SearchStrategy[list[Hostile]]:
    """One to four hostile objects; most take the place of a good one that others depend on."""
    names: dict[Kind, tuple[str, ...]] = dict.fromkeys(INPUT_KINDS, ("hostile",))
    for kind, document in good_documents():
        names[kind] += (document["metadata"]["name"],)
    return st.lists(_any_kind(names), min_size=1, max_size=4)


def read(kind: Kind, obj: JsonObject) -> Any | None:
    """None where the control plane could not read it; it is then left out of snapshots."""
    try:
        return decode(obj, kind)
    except DecodeError:
        return None


def objects_of(world: list[Hostile]) -> dict[Key, Any]:
    """The good gateway with the hostile objects in it."""
    found = good_objects()
    for kind, obj in world:
        key = (kind, obj["metadata"]["name"])
        item = read(kind, obj)
        if item is None:
            found.pop(key, None)
        else:
            found[key] = item
    return found


def shown(world: list[Hostile]) -> str:
    return yaml.safe_dump_all([obj for _, obj in world], allow_unicode=False)
