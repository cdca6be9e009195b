"""Both sides of TLS: certificates shown at a listener, and what is asked of an upstream."""

from typing import Final

from crossfade.compile.model import AskedCertificate, ClientTls, Protocol, ServerCertificate, ServerTls
from crossfade.envoy import names
from crossfade.envoy.proto import core_v3, duration, packed, tls_v3
from crossfade.envoy.sources import ads

VERSIONS: Final = {
    "TLSv1": tls_v3.TlsParameters.TLSv1_0,
    "TLSv1.1": tls_v3.TlsParameters.TLSv1_1,
    "TLSv1.2": tls_v3.TlsParameters.TLSv1_2,
    "TLSv1.3": tls_v3.TlsParameters.TLSv1_3,
}


def server_tls(
    certificate: ServerCertificate, tls: ServerTls, *, alpn: tuple[str, ...], asked: AskedCertificate | None = None
) -> core_v3.TransportSocket:
    context = tls_v3.DownstreamTlsContext()
    if tls != ServerTls():
        parameters = context.common_tls_context.tls_params
        parameters.tls_minimum_protocol_version = VERSIONS[tls.oldest]
        parameters.tls_maximum_protocol_version = VERSIONS[tls.newest]
        parameters.cipher_suites.extend(tls.ciphers)
        context.disable_stateless_session_resumption = not tls.has_tickets
        if tls.session_timeout_s is not None:
            context.session_timeout.CopyFrom(duration(tls.session_timeout_s))
    context.common_tls_context.alpn_protocols.extend(alpn)
    _add_certificate(context.common_tls_context, certificate)
    if asked is not None:
        validation = context.common_tls_context.validation_context
        validation.trust_chain_verification = tls_v3.CertificateValidationContext.ACCEPT_UNTRUSTED
        if asked.authorities_pem:
            validation.trusted_ca.inline_string = asked.authorities_pem
    return core_v3.TransportSocket(name=names.TLS, typed_config=packed(context))


def client_tls(tls: ClientTls, protocol: Protocol) -> core_v3.TransportSocket:
    """Where the name comes from each request, `cluster` lets Envoy take and check it per connection."""
    context = tls_v3.UpstreamTlsContext()
    if protocol is not Protocol.TCP:
        context.common_tls_context.alpn_protocols.append("http/1.1" if protocol is Protocol.HTTP1 else "h2")
    if tls.certificate is not None:
        _add_certificate(context.common_tls_context, tls.certificate)
    if tls.server_name:
        context.sni = tls.server_name
    if tls.verifies:
        validation = context.common_tls_context.validation_context
        if tls.ca_pem is not None:
            validation.trusted_ca.inline_string = tls.ca_pem
        elif tls.ca_file is not None:
            validation.trusted_ca.filename = tls.ca_file
        if tls.verify_depth is not None:
            validation.max_verify_depth.value = tls.verify_depth
        if tls.server_name:
            name = validation.match_typed_subject_alt_names.add(san_type=tls_v3.SubjectAltNameMatcher.DNS)
            name.matcher.exact = tls.server_name
    return core_v3.TransportSocket(name=names.TLS, typed_config=packed(context))


def _add_certificate(context: tls_v3.CommonTlsContext, certificate: ServerCertificate) -> None:
    if certificate.name:
        context.tls_certificate_sds_secret_configs.add(name=certificate.name, sds_config=ads())
    else:
        _fill(context.tls_certificates.add(), certificate)


def secret_from_certificate(certificate: ServerCertificate) -> tls_v3.Secret:
    message = tls_v3.Secret(name=certificate.name)
    _fill(message.tls_certificate, certificate)
    return message


def _fill(message: tls_v3.TlsCertificate, certificate: ServerCertificate) -> None:
    message.certificate_chain.inline_string = certificate.chain_pem
    message.private_key.inline_string = certificate.key_pem
