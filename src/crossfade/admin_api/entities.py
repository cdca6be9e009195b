"""Kong's entities as JSON, from what the gateway has compiled; no secret is among them."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from crossfade.admin_api.plugin_entities import plugin_entities
from crossfade.admin_api.stream_entities import stream_route
from crossfade.admin_api.tags import tags_of, times
from crossfade.admin_api.upstream_entities import balancing_fields
from crossfade.compile.gateway.authorities import Authority
from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.compiler import KongEntities
from crossfade.compile.gateway.consumers import Consumer
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.state import KongPath, KongRoute, KongService
from crossfade.compile.model import Cluster, Endpoint
from crossfade.compile.routing.matches import PathMatchKind

Json = dict[str, Any]

HIDDEN: Final = "***"
_PORT: Final = 80
# The collection, and the field of the credential that people know it by; all others are secrets.
CREDENTIALS: Final[Mapping[str, tuple[str, str]]] = {
    "key-auth": ("key-auths", ""),
    "basic-auth": ("basic-auths", "username"),
    "hmac-auth": ("hmac-auths", "username"),
    "jwt": ("jwts", ""),
    "oauth2": ("oauth2", "name"),
    "mtls-auth": ("mtls-auths", "subject_name"),
}
_SECRET_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "key-auth": ("key",),
    "basic-auth": ("password",),
    "hmac-auth": ("secret",),
    "jwt": ("key", "secret"),
    "oauth2": ("client_id", "client_secret"),
    "mtls-auth": (),
}


def all_entities(entities: KongEntities) -> dict[str, list[Json]]:
    """By collection, each ordered by id."""
    services = {service.name: service for _, service in (*entities.placed, *entities.placed_streams)}
    consumers = [consumer for consumer, _ in entities.plugins.of_consumers()]
    found: dict[str, list[Json]] = {
        "services": [_service(service) for service in services.values()],
        "routes": [
            *(_route(route, service) for route, service in entities.placed),
            *(stream_route(route, service) for route, service in entities.placed_streams),
        ],
        "upstreams": [_upstream(service) for service in services.values()],
        "targets": [target for service in services.values() for target in _targets(service)],
        "consumers": [_consumer(consumer) for consumer in consumers],
        "acls": [acl for consumer in consumers for acl in _acls(consumer)],
        "plugins": list(plugin_entities(entities)),
        "certificates": list(_certificates(entities)),
        "snis": list(_snis(entities)),
        "ca_certificates": [_authority(each) for each in entities.authorities],
        "vaults": [],
    }
    for kind, (collection, _) in CREDENTIALS.items():
        found[collection] = [each for consumer in consumers for each in _credentials(consumer, kind)]
    return {name: sorted(items, key=lambda item: str(item["id"])) for name, items in found.items()}


def watched_upstreams(entities: KongEntities) -> frozenset[str]:
    """Names of those whose targets are checked."""
    placed = (*entities.placed, *entities.placed_streams)
    return frozenset(service.cluster.name for _, service in placed if service.cluster.is_watched)


def _service(service: KongService) -> Json:
    cluster = service.cluster
    return {
        "id": service.id,
        "name": service.name,
        "enabled": True,
        "protocol": service.protocol,
        "host": cluster.name,
        "port": _PORT,
        "path": service.path,
        "retries": service.retries,
        "connect_timeout": round(cluster.connect_timeout_s * 1000),
        "read_timeout": service.read_timeout,
        "write_timeout": service.read_timeout,
        "client_certificate": None,
        "ca_certificates": None,
        "tls_verify": cluster.tls is not None and cluster.tls.verifies,
        "tls_verify_depth": cluster.tls.verify_depth if cluster.tls else None,
        "tags": tags_of(cluster.origin.ref),
        **times(""),
    }


def _route(route: KongRoute, service: KongService) -> Json:
    return {
        "id": route.id,
        "name": route.name,
        "service": {"id": service.id},
        "protocols": list(route.protocols),
        "methods": list(route.methods) or None,
        "hosts": list(route.hosts) or None,
        "paths": [_path(path) for path in route.paths] or None,
        "headers": {name: list(values) for name, values in route.headers} or None,
        "snis": list(route.snis) or None,
        "sources": None,
        "destinations": None,
        "https_redirect_status_code": route.https_redirect_status_code,
        "regex_priority": route.regex_priority,
        "strip_path": route.strip_path,
        "path_handling": "v0",
        "preserve_host": route.preserve_host,
        "request_buffering": route.request_buffering,
        "response_buffering": True,
        "tags": tags_of(route.origin.ref),
        **times(route.created),
    }


def _path(path: KongPath) -> str:
    if path.kind is PathMatchKind.PREFIX:
        return path.text
    return f"~{path.text}$" if path.kind is PathMatchKind.EXACT else f"~{path.text}"


def _upstream(service: KongService) -> Json:
    return {
        "id": _upstream_id(service.cluster),
        "name": service.cluster.name,
        **balancing_fields(service),
        "host_header": None,
        "client_certificate": None,
        "use_srv_name": False,
        "tags": tags_of(service.cluster.origin.ref),
        **times(""),
    }


def _upstream_id(cluster: Cluster) -> str:
    return entity_id("upstream", cluster.name)


def _targets(service: KongService) -> Iterator[Json]:
    upstream = _upstream_id(service.cluster)
    for endpoint in service.cluster.endpoints:
        target = target_name(endpoint)
        yield {
            "id": entity_id("target", f"{service.cluster.name}/{target}"),
            "target": target,
            "weight": endpoint.weight,
            "upstream": {"id": upstream},
            "tags": tags_of(service.cluster.origin.ref),
            **times(""),
        }


def target_name(endpoint: Endpoint) -> str:
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{host}:{endpoint.port}"


def _consumer(consumer: Consumer) -> Json:
    return {
        "id": consumer.id,
        "username": consumer.username or None,
        "custom_id": consumer.custom_id or None,
        "tags": tags_of(consumer.ref),
        **times(consumer.created),
    }


def _acls(consumer: Consumer) -> Iterator[Json]:
    for group in consumer.groups:
        yield {
            "id": entity_id("acl", f"{consumer.id}/{group}"),
            "group": group,
            "consumer": {"id": consumer.id},
            "tags": None,
            **times(consumer.created),
        }


def _credentials(consumer: Consumer, kind: str) -> Iterator[Json]:
    _, name = CREDENTIALS[kind]
    for credential in consumer.credentials:
        if credential.type == kind:
            shown: Json = {name: credential.data.get(name, b"").decode("utf-8", "replace")} if name else {}
            if kind == "mtls-auth":
                authority = credential.data.get("ca_certificate", b"").decode("utf-8", "replace")
                shown["ca_certificate"] = {"id": authority.lower()} if authority else None
            yield {
                "id": credential.id,
                **shown,
                **dict.fromkeys(_SECRET_FIELDS[kind], HIDDEN),
                "consumer": {"id": consumer.id},
                "tags": tags_of(credential.secret),
                **times(consumer.created),
            }


def _certificates(entities: KongEntities) -> Iterator[Json]:
    for named in entities.certificates:
        yield {
            "id": _certificate_id(named),
            "cert": named.certificate.chain_pem,
            "key": HIDDEN,
            "cert_alt": None,
            "key_alt": None,
            "snis": list(named.server_names),
            "tags": tags_of(named.origin.ref),
            **times(""),
        }


def _snis(entities: KongEntities) -> Iterator[Json]:
    for named in entities.certificates:
        for name in named.server_names:
            yield {
                "id": entity_id("sni", name),
                "name": name,
                "certificate": {"id": _certificate_id(named)},
                "tags": tags_of(named.origin.ref),
                **times(""),
            }


def _certificate_id(named: NamedCertificate) -> str:
    return entity_id("certificate", named.title)


def _authority(authority: Authority) -> Json:
    return {
        "id": authority.id,
        "cert": authority.pem,
        "cert_digest": sha256(b64decode(authority.der)).hexdigest(),
        "tags": tags_of(authority.ref),
        **times(""),
    }
