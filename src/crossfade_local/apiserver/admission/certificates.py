"""CertificateSigningRequests: who asks is what the server knows, and approving and signing need a permission."""

import base64
import binascii
from collections.abc import Callable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.security.rbac import MASTERS, Authorizer
from crossfade_local.apiserver.wire.request import RequestInfo
from crossfade_local.apiserver.wire.status import forbidden
from crossfade_local.certificate_requests import CLIENT_SIGNER, RequestError, groups_of, parse_request

BUCKET: Final = "certificates.k8s.io/certificatesigningrequests"
_GROUP: Final = "certificates.k8s.io"
_PLURAL: Final = "certificatesigningrequests"


def note_requester(attributes: Attributes) -> None:
    """In place of what the client wrote there."""
    request = attributes.new
    if attributes.bucket != BUCKET or attributes.operation != "CREATE" or request is None:
        return
    user, spec = attributes.call.user, request.setdefault("spec", {})
    for name, value in (
        ("username", user.name),
        ("uid", user.uid),
        ("groups", list(user.groups)),
        ("extra", {key: list(values) for key, values in user.extra.items()}),
    ):
        if value:
            spec[name] = value
        else:
            spec.pop(name, None)


def no_masters(attributes: Attributes) -> None:
    """Nobody becomes an administrator of everything by a certificate."""
    request = attributes.new
    if attributes.bucket != BUCKET or attributes.operation != "CREATE" or request is None:
        return
    if (request.get("spec") or {}).get("signerName") != CLIENT_SIGNER:
        return
    try:
        groups = groups_of(parse_request(base64.b64decode(request["spec"].get("request") or "", validate=True)))
    except (RequestError, binascii.Error, ValueError):
        # Validation says what is wrong with it.
        return
    if MASTERS in groups:
        text = f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
        raise forbidden(_PLURAL, _GROUP, attributes.name, text)


def only_by_permission(authorizer: Authorizer) -> Callable[[Attributes], None]:
    """Approving needs the verb `approve` on the signer, a certificate or a failure the verb `sign`."""

    def step(attributes: Attributes) -> None:
        new, old = attributes.new, attributes.old
        if attributes.bucket != BUCKET or new is None or old is None:
            return
        if attributes.subresource == "approval" and _conditions(new) != _conditions(old):
            verb, what = "approve", "approve"
        elif attributes.subresource == "status" and _signed(new) != _signed(old):
            verb, what = "sign", "sign"
        else:
            return
        signer = str((old.get("spec") or {}).get("signerName") or "")
        domain = signer.partition("/")[0]
        for name in (signer, f"{domain}/*"):
            info = RequestInfo(verb, "", _GROUP, "v1", "signers", "", "", name)
            if authorizer.allows(attributes.call.user, info)[0]:
                return
        text = f'user not permitted to {what} requests with signerName "{signer}"'
        raise forbidden(_PLURAL, _GROUP, attributes.name, text)

    return step


def _conditions(request: JsonObject) -> list[JsonObject]:
    return (request.get("status") or {}).get("conditions") or []


def _signed(request: JsonObject) -> tuple[object, object]:
    status = request.get("status") or {}
    return status.get("certificate"), [item for item in _conditions(request) if item.get("type") == "Failed"]
