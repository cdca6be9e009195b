"""TLS between proxies of a mesh.

Certificates and authorities are secrets of their own beside the clusters and listeners that name them: a new version
reaches the proxy without touching a connection, and one that cannot be used costs nobody but those who name it.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from crossfade.compile.model import (
    FileAuthorities,
    FileCertificate,
    Issued,
    LocalSecret,
    MeshIssued,
    MeshTls,
    PeerCheck,
    Protocol,
    ProxyModel,
    StoredAuthorities,
    StoredCertificate,
)
from crossfade.envoy import names
from crossfade.envoy.proto import core_v3, packed, tls_v3
from crossfade.envoy.sources import ads, mesh_identities

Held: TypeAlias = StoredCertificate | FileCertificate | StoredAuthorities | FileAuthorities
"""What is sent to the proxy, in person or by the names of its files."""
_ALPN: Final = {Protocol.HTTP1: "http/1.1", Protocol.HTTP2: "h2", Protocol.GRPC: "h2"}


def downstream(tls: MeshTls, spoken: tuple[Protocol, ...]) -> core_v3.TransportSocket:
    """`spoken` are the protocols of HTTP, the dearest first; none for TCP."""
    context = tls_v3.DownstreamTlsContext()
    _fill(context.common_tls_context, tls, spoken)
    if tls.peers is not None:
        context.require_client_certificate.value = True
    return core_v3.TransportSocket(name=names.TLS, typed_config=packed(context))


def upstream(tls: MeshTls, protocol: Protocol) -> core_v3.TransportSocket:
    context = tls_v3.UpstreamTlsContext(sni=tls.server_name)
    _fill(context.common_tls_context, tls, () if protocol is Protocol.TCP else (protocol,))
    return core_v3.TransportSocket(name=names.TLS, typed_config=packed(context))


def secrets_of(model: ProxyModel) -> dict[str, Held]:
    """By name, each once."""
    found: dict[str, Held] = {}
    for tls in _all_tls(model):
        for held in (tls.certificate, tls.peers.authorities if tls.peers else None):
            if held is not None and not isinstance(held, LocalSecret | Issued | MeshIssued):
                found[_name(held)] = held
    return found


def secret_message(held: Held) -> tls_v3.Secret:
    message = tls_v3.Secret(name=_name(held))
    match held:
        case StoredCertificate():
            message.tls_certificate.certificate_chain.inline_string = held.chain_pem
            message.tls_certificate.private_key.inline_string = held.key_pem
        case FileCertificate():
            message.tls_certificate.certificate_chain.filename = held.chain
            message.tls_certificate.private_key.filename = held.key
            message.tls_certificate.watched_directory.path = _folder(held.chain)
        case StoredAuthorities():
            message.validation_context.trusted_ca.inline_string = held.pem
        case FileAuthorities():
            message.validation_context.trusted_ca.filename = held.path
            message.validation_context.watched_directory.path = _folder(held.path)
    return message


def issued_secrets(certificate_pem: str, key_pem: str, authorities_pem: str) -> dict[str, tls_v3.Secret]:
    """What stands for `Issued` with one proxy, by name."""
    identity, authorities = tls_v3.Secret(name=Issued.IDENTITY), tls_v3.Secret(name=Issued.AUTHORITIES)
    identity.tls_certificate.certificate_chain.inline_string = certificate_pem
    identity.tls_certificate.private_key.inline_string = key_pem
    authorities.validation_context.trusted_ca.inline_string = authorities_pem
    return {one.name: one for one in (identity, authorities)}


def _folder(path: str) -> str:
    """Where a Secret's mount swaps its link when the Secret changes."""
    return str(PurePosixPath(path).parent)


def _all_tls(model: ProxyModel) -> Iterator[MeshTls]:
    for cluster in model.clusters:
        if cluster.mesh_tls is not None:
            yield cluster.mesh_tls
    for listener in model.listeners:
        for chain in listener.chains:
            if chain.mesh_tls is not None:
                yield chain.mesh_tls


def _name(held: Held) -> str:
    match held:
        case StoredCertificate():
            return f"certificate {held.name}"
        case FileCertificate():
            return f"certificate {held.chain} {held.key}"
        case StoredAuthorities():
            return f"authorities {held.name}"
        case FileAuthorities():
            return f"authorities {held.path}"


def _fill(context: tls_v3.CommonTlsContext, tls: MeshTls, spoken: tuple[Protocol, ...]) -> None:
    context.alpn_protocols.extend(_ALPN[protocol] for protocol in spoken)
    context.tls_params.tls_minimum_protocol_version = tls_v3.TlsParameters.TLSv1_2
    context.tls_params.tls_maximum_protocol_version = tls_v3.TlsParameters.TLSv1_3
    if tls.certificate is not None:
        context.tls_certificate_sds_secret_configs.append(_reference(tls.certificate))
    if tls.peers is not None:
        _fill_peers(context, tls.peers)


def _fill_peers(context: tls_v3.CommonTlsContext, peers: PeerCheck) -> None:
    combined = context.combined_validation_context
    combined.validation_context_sds_secret_config.CopyFrom(_reference(peers.authorities))
    combined.default_validation_context.SetInParent()
    for name in peers.names:
        wanted = combined.default_validation_context.match_typed_subject_alt_names.add()
        wanted.san_type = _kind(name)
        wanted.matcher.exact = name
    if peers.trust_domain:
        wanted = combined.default_validation_context.match_typed_subject_alt_names.add()
        wanted.san_type = tls_v3.SubjectAltNameMatcher.URI
        wanted.matcher.prefix = f"spiffe://{peers.trust_domain}/"


def _kind(name: str) -> int:
    """By how it is spelled: App Mesh has one list for all kinds."""
    if "://" in name:
        return tls_v3.SubjectAltNameMatcher.URI
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return tls_v3.SubjectAltNameMatcher.EMAIL if "@" in name else tls_v3.SubjectAltNameMatcher.DNS
    return tls_v3.SubjectAltNameMatcher.IP_ADDRESS


def _reference(held: Held | LocalSecret | Issued | MeshIssued) -> tls_v3.SdsSecretConfig:
    if isinstance(held, Issued):
        return tls_v3.SdsSecretConfig(name=held, sds_config=ads())
    if isinstance(held, MeshIssued):
        return tls_v3.SdsSecretConfig(name=held.what, sds_config=mesh_identities())
    if not isinstance(held, LocalSecret):
        return tls_v3.SdsSecretConfig(name=_name(held), sds_config=ads())
    source = core_v3.ConfigSource(resource_api_version=core_v3.ApiVersion.V3)
    source.api_config_source.api_type = core_v3.ApiConfigSource.GRPC
    source.api_config_source.transport_api_version = core_v3.ApiVersion.V3
    source.api_config_source.set_node_on_first_message_only = True
    source.api_config_source.grpc_services.add().envoy_grpc.cluster_name = names.SDS_CLUSTER
    return tls_v3.SdsSecretConfig(name=held.name, sds_config=source)
