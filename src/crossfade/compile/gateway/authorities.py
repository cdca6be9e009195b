"""Secrets and ConfigMaps labelled `konghq.com/ca-cert` → authorities by the ids that plugins name (kong.md §1.8)."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.isolate import isolated
from crossfade.compile.key_pairs import UnusableError
from crossfade.compile.memo import Memo
from crossfade.compile.policies.mtls_auth.schema import uuid
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

CA_LABEL: Final = "konghq.com/ca-cert"
_EFFECT: Final = "plugins that name it are not applied; requests to their routes are answered 503"

Source: TypeAlias = Secret | ConfigMap


class Authority(Struct, frozen=True):
    id: str
    ref: ObjectRef
    pem: str
    der: str
    """In base64."""
    age: tuple[str, NamespacedName]


Authorities: TypeAlias = Mapping[str, Authority]


def authorities_of(snapshot: Snapshot, classes: ClassFilter, memo: Memo, diagnostics: Diagnostics) -> Authorities:
    """The very same mapping as long as none of the objects changes."""
    secrets, maps = snapshot.all(Secret), snapshot.all(ConfigMap)
    labelled = memo.of(
        "authorities",
        (secrets, maps, classes.name, classes.takes_classless),
        lambda _: _labelled((*secrets, *maps), classes),
        diagnostics,
    )
    read = memo.each("read authorities", ((item,) for item in labelled), (), _read, diagnostics)
    return memo.of("authorities by id", (read,), lambda found: _by_id(read, found), diagnostics)


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _labelled(items: Iterable[Source], classes: ClassFilter) -> list[Source]:
    return [item for item in items if item.metadata.labels.get(CA_LABEL) == "true" and classes.takes(item.metadata)]


def _read(item: Source, diagnostics: Diagnostics) -> Authority | None:
    ref = typed_ref(item)

    def read() -> Authority | None:
        try:
            return _authority(item, ref)
        except UnusableError as problem:
            _tell(ref, str(problem), diagnostics)
            return None

    return isolated(read, otherwise=None, ref=ref, effect=_EFFECT, diagnostics=diagnostics)


def _tell(ref: ObjectRef, problem: str, diagnostics: Diagnostics, *, effect: str = _EFFECT) -> None:
    diagnostics.error(
        ref,
        "ca-certificate.unusable",
        f"invalid {ref.kind.lower()} CA certificate: {problem}",
        effect=effect,
        hint="give an id, a UUID that no other has, and under the key cert one certificate of an authority as PEM",
        field="data",
    )


def _authority(item: Source, ref: ObjectRef) -> Authority:
    """Raises UnusableError."""
    given: dict[str, str] = {}
    for name in ("id", "cert", "ca.crt"):
        if name in item.data:
            value = item.data[name]
            given[name] = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if "id" not in given:
        raise UnusableError("missing 'id' field in data")
    if uuid(given["id"]):
        raise UnusableError("its id is not a UUID")
    text = given.get("cert", given.get("ca.crt"))
    if text is None:
        raise UnusableError('neither "cert" nor "ca.crt" key exist')
    try:
        certificates = x509.load_pem_x509_certificates(text.encode("utf-8", "replace"))
        der = certificates[0].public_bytes(Encoding.DER)
    except ValueError:
        raise UnusableError("invalid PEM block") from None
    if len(certificates) > 1:
        raise UnusableError("multiple PEM certificates found")
    if not is_authority(certificates[0]):
        raise UnusableError("certificate is missing the 'CA' basic constraint")
    # Written anew: comments around PEM may be anything.
    pem = certificates[0].public_bytes(Encoding.PEM).decode()
    return Authority(given["id"].lower(), ref, pem, b64encode(der).decode(), item.metadata.age)


def _by_id(read: tuple[Authority | None, ...], diagnostics: Diagnostics) -> Authorities:
    """Of several with the same id the oldest has it, so that nobody takes it from plugins by adding another."""
    found: dict[str, Authority] = {}
    for one in sorted((one for one in read if one is not None), key=lambda one: one.age):
        oldest = found.setdefault(one.id, one)
        if oldest is not one:
            problem = "duplicate 'id' field in multiple objects"
            _tell(
                one.ref, problem, diagnostics, effect=f"plugins that name the id have that of {oldest.ref}, the oldest"
            )
    return found
