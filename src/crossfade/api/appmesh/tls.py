"""Where certificates and authorities of App Mesh's TLS come from, and which peers are meant (appmesh.md §1.4)."""

from msgspec import Struct, field


class AcmCertificate(Struct, frozen=True):
    certificate_arn: str = field(name="certificateARN")


class FileCertificate(Struct, frozen=True, rename="camel"):
    """Paths in the sidecar's container."""

    certificate_chain: str
    private_key: str


class SdsSecret(Struct, frozen=True, rename="camel"):
    """Of the agent at the sidecar's socket."""

    secret_name: str


class ClientCertificate(Struct, frozen=True):
    """Exactly one of the two is set."""

    file: FileCertificate | None = None
    sds: SdsSecret | None = None


class TlsCertificate(ClientCertificate, frozen=True):
    """Exactly one of the three is set."""

    acm: AcmCertificate | None = None


class AcmTrust(Struct, frozen=True):
    certificate_authority_arns: tuple[str, ...] = field(name="certificateAuthorityARNs")


class FileTrust(Struct, frozen=True, rename="camel"):
    certificate_chain: str


class NodeTrust(Struct, frozen=True):
    """Exactly one of the two is set."""

    file: FileTrust | None = None
    sds: SdsSecret | None = None


class TlsTrust(NodeTrust, frozen=True):
    """Exactly one of the three is set."""

    acm: AcmTrust | None = None


class AlternativeNameMatch(Struct, frozen=True):
    exact: tuple[str, ...] = ()


class AlternativeNames(Struct, frozen=True):
    match: AlternativeNameMatch = AlternativeNameMatch()


class NodeTlsValidation(Struct, frozen=True, rename="camel"):
    """Of a node's listener: who may call it."""

    trust: NodeTrust = NodeTrust()
    subject_alternative_names: AlternativeNames | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One of them must be the peer's; empty where any counts, or the default does."""
        return self.subject_alternative_names.match.exact if self.subject_alternative_names else ()


class TlsValidation(NodeTlsValidation, frozen=True, rename="camel"):
    """Of a gateway's listener, and of a client."""

    trust: TlsTrust = TlsTrust()
