"""What a listener's TLS comes to, and what its clients make of it where they have no policy (appmesh.md §3.8)."""

from typing import Final

from msgspec import structs

from crossfade.api.appmesh import VirtualNode
from crossfade.api.appmesh.tls import ClientCertificate, NodeTlsValidation, NodeTrust, TlsCertificate, TlsTrust
from crossfade.api.appmesh.values import ListenerTls
from crossfade.api.appmesh.virtual_node import Listener
from crossfade.api.bounds import Length, Misfit, encodable, file_path, host_name, is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.acm import AcmSecrets
from crossfade.compile.mesh.matches import Unusable
from crossfade.compile.model import (
    FileAuthorities,
    FileCertificate,
    FilterChain,
    LocalSecret,
    MeshTls,
    PeerCheck,
    StoredAuthorities,
    StoredCertificate,
)
from crossfade.compile.routing.origin import Origin

_DISABLED, _PERMISSIVE = "DISABLED", "PERMISSIVE"
_NAME: Final = Length(1, 1024)


def secured(
    chain: FilterChain,
    tls: ListenerTls | None,
    place: Origin,
    *,
    port: int,
    secrets: AcmSecrets,
    diagnostics: Diagnostics,
) -> tuple[FilterChain, ...]:
    """The chain as the listener wants it: one for TLS, one for plain text, or both; none where it must stay closed.

    `place` is the listener.
    """
    if tls is None or tls.mode == _DISABLED:
        return (chain,)
    is_permissive = tls.mode == _PERMISSIVE
    try:
        found = _server_tls(tls, place.ref.namespace, secrets)
    except Unusable as problem:
        closed = f"port {port} is closed, since plain text would not be safe"
        diagnostics.error(
            place.ref,
            "listener.tls",
            str(problem),
            effect=f"port {port} takes plain text only" if is_permissive else closed,
            field=f"{place.path}.tls.{problem.field}",
        )
        return (chain,) if is_permissive else ()
    if not is_permissive:
        return (structs.replace(chain, mesh_tls=found),)
    return (structs.replace(chain, name=f"{chain.name}_tls", mesh_tls=found, takes_tls_only=True), chain)


def offered_tls(node: VirtualNode, listener: Listener, secrets: AcmSecrets) -> MeshTls | None:
    """How a client without policy speaks to the listener: by TLS where there is TLS, and believing what ACM issued."""
    tls, namespace = listener.tls, node.metadata.namespace
    if tls is None or tls.mode == _DISABLED:
        return None
    try:
        _server_tls(tls, namespace, secrets)
    except Unusable:
        if tls.mode == _PERMISSIVE:
            return None
    name = peer_name(node)
    return MeshTls(peers=_root_of(tls, namespace, secrets), server_name=server_name(name))


def peer_name(node: VirtualNode) -> str:
    """The name that the node is found by, which its certificate has to have unless a policy says otherwise."""
    discovery = node.spec.service_discovery
    if discovery is not None and discovery.dns is not None:
        return discovery.dns.hostname.removesuffix(".")
    cloud_map = discovery.aws_cloud_map if discovery is not None else None
    return f"{cloud_map.service_name}.{cloud_map.namespace_name}" if cloud_map is not None else ""


def server_name(name: str) -> str:
    """Empty where TLS has no way to say it."""
    return "" if is_ip_address(name) or isinstance(host_name(name), Misfit) else name


def peer_check(validation: NodeTlsValidation, namespace: str, secrets: AcmSecrets) -> PeerCheck:
    """Raises Unusable with a field below `validation`."""
    for name in validation.names:
        if isinstance(misfit := _NAME.check(name), Misfit) or isinstance(misfit := encodable(name), Misfit):
            raise Unusable("validation.subjectAlternativeNames.match.exact", misfit.problem)
    return PeerCheck(_authorities(validation.trust, namespace, secrets), tuple(dict.fromkeys(validation.names)))


def own_certificate(
    given: ClientCertificate, namespace: str, secrets: AcmSecrets
) -> StoredCertificate | FileCertificate | LocalSecret:
    """Raises Unusable with a field below the certificate's parent."""
    _need_one_kind(given, "certificate")
    acm = given.acm if isinstance(given, TlsCertificate) else None
    if acm is not None:
        try:
            return secrets.certificate(namespace, acm.certificate_arn)
        except Unusable as problem:
            raise Unusable("certificate.acm.certificateARN", str(problem)) from None
    if given.file is not None:
        return FileCertificate(
            _path(given.file.certificate_chain, "certificate.file.certificateChain"),
            _path(given.file.private_key, "certificate.file.privateKey"),
        )
    assert given.sds is not None
    return _local(given.sds.secret_name, "certificate.sds.secretName")


def _server_tls(tls: ListenerTls, namespace: str, secrets: AcmSecrets) -> MeshTls:
    """Raises Unusable with a field below `tls`."""
    certificate = own_certificate(tls.certificate, namespace, secrets)
    peers = peer_check(tls.validation, namespace, secrets) if tls.validation is not None else None
    return MeshTls(certificate, peers)


def _root_of(tls: ListenerTls, namespace: str, secrets: AcmSecrets) -> PeerCheck | None:
    if tls.certificate.acm is None:
        return None
    try:
        return PeerCheck(secrets.authorities(namespace, (tls.certificate.acm.certificate_arn,)))
    except Unusable:
        return None


def _authorities(
    trust: NodeTrust, namespace: str, secrets: AcmSecrets
) -> StoredAuthorities | FileAuthorities | LocalSecret:
    _need_one_kind(trust, "validation.trust")
    acm = trust.acm if isinstance(trust, TlsTrust) else None
    if acm is not None:
        try:
            return secrets.authorities(namespace, acm.certificate_authority_arns)
        except Unusable as problem:
            raise Unusable("validation.trust.acm.certificateAuthorityARNs", str(problem)) from None
    if trust.file is not None:
        return FileAuthorities(_path(trust.file.certificate_chain, "validation.trust.file.certificateChain"))
    assert trust.sds is not None
    return _local(trust.sds.secret_name, "validation.trust.sds.secretName")


def _need_one_kind(given: ClientCertificate | NodeTrust, field: str) -> None:
    """Raises Unusable with the `field` unless exactly one of the fields of `given` is set."""
    kinds = sorted(given.__struct_fields__)
    if sum(getattr(given, kind) is not None for kind in kinds) != 1:
        raise Unusable(field, f"exactly one of {', '.join(kinds[:-1])} and {kinds[-1]} must be given")


def _path(path: str, field: str) -> str:
    if isinstance(misfit := file_path(path), Misfit):
        raise Unusable(field, misfit.problem)
    if not path.startswith("/"):
        raise Unusable(field, f"{path} does not begin with a slash: give the whole path in the sidecar's container")
    return path


def _local(name: str, field: str) -> LocalSecret:
    if isinstance(misfit := _NAME.check(name), Misfit) or isinstance(misfit := encodable(name), Misfit):
        raise Unusable(field, misfit.problem)
    return LocalSecret(name)
