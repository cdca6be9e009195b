"""Validation of CertificateSigningRequests."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import immutable, validate_metadata_update
from crossfade_local.certificate_requests import LEGACY_SIGNER, RequestError, parse_request
from crossfade_local.values.fields import mapping, objects, sequence, text

_PEM: Final = re.compile(rb"^-----BEGIN CERTIFICATE REQUEST-----", re.MULTILINE)
_SHORTEST_S: Final = 600
_USAGES: Final = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_ONCE: Final = ("Approved", "Denied", "Failed")


def validate_request(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    try:
        pem = base64.b64decode(text(spec, "request"), validate=True)
        if not _PEM.search(pem):
            yield invalid("spec.request", spec.get("request"), "PEM block type must be CERTIFICATE REQUEST")
        else:
            parse_request(pem)
    except (RequestError, binascii.Error, ValueError) as error:
        yield invalid("spec.request", text(spec, "request"), str(error))
    if not sequence(spec, "usages"):
        yield required("spec.usages")
    seen = set()
    for index, usage in enumerate(sequence(spec, "usages")):
        if usage not in _USAGES:
            yield not_supported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in seen:
            yield duplicate(f"spec.usages[{index}]", usage)
        seen.add(usage)
    yield from _signer_name(text(spec, "signerName"))
    seconds = spec.get("expirationSeconds")
    if isinstance(seconds, int) and seconds < _SHORTEST_S:
        yield invalid(
            "spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"
        )


def validate_request_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from immutable("spec", new.get("spec"), old.get("spec"))


def validate_decision(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """Of the subresources `approval` and `status`."""
    yield from validate_metadata_update(new, old)
    conditions, kinds = objects(new, "status", "conditions"), set()
    for index, condition in enumerate(conditions):
        field, kind = f"status.conditions[{index}]", text(condition, "type")
        if not kind:
            yield required(f"{field}.type")
        if kind in _ONCE and text(condition, "status") != "True":
            yield not_supported(f"{field}.status", text(condition, "status"), ("True",))
        if kind in kinds:
            yield duplicate(f"{field}.type", kind)
        kinds.add(kind)
    if {"Approved", "Denied"} <= kinds:
        said = "Approved and Denied conditions are mutually exclusive"
        yield invalid("status.conditions", "Denied", said)
    for kind in _ONCE:
        if any(text(item, "type") == kind for item in objects(old, "status", "conditions")) and kind not in kinds:
            yield forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
    issued = text(old, "status", "certificate")
    if issued and text(new, "status", "certificate") != issued:
        yield forbidden("status.certificate", "updates may not set or modify the certificate of an issued request")


def _signer_name(name: str) -> Iterator[FieldError]:
    if not name:
        yield required("spec.signerName")
        return
    domain, slash, path = name.partition("/")
    if not slash or "/" in path or not path or names.dns_subdomain(domain):
        said = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid("spec.signerName", name, said)
    if name == LEGACY_SIGNER:
        yield invalid("spec.signerName", name, "the legacy signerName is not allowed via this API version")
