"""Server side of TLS at a listener."""

from crossfade.compile.model import ServerCertificate
from crossfade.envoy import names
from crossfade.envoy.proto import core_v3, packed, tls_v3


def server_tls(certificate: ServerCertificate, *, alpn: tuple[str, ...]) -> core_v3.TransportSocket:
    context = tls_v3.DownstreamTlsContext()
    context.common_tls_context.alpn_protocols.extend(alpn)
    entry = context.common_tls_context.tls_certificates.add()
    entry.certificate_chain.inline_string = certificate.chain_pem
    entry.private_key.inline_string = certificate.key_pem
    return core_v3.TransportSocket(name=names.TLS, typed_config=packed(context))
