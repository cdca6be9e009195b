"""Approves what kubelets ask for themselves, signs approved requests, and removes those that are done or forgotten."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import CERTIFICATE_SIGNING_REQUEST
from crossfade_local.certificate_requests import (
    KUBELET_CLIENT_SIGNER,
    LONGEST,
    SIGNERS,
    Authority,
    RequestError,
    check,
    common_name,
    parse_request,
)
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import condition_of, key_of, name_of, parsed_time, stamp, uid_of
from crossfade_local.controllers.reconciler import Reconciler

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_DONE_S: Final = 3600.0
_PENDING_S: Final = 24 * 3600.0


def kept_for_s(request: JsonObject, now: datetime) -> float:
    """How long it stays: an hour once decided and carried out, a day while nobody decides."""
    status, created = request.get("status") or {}, parsed_time(request["metadata"].get("creationTimestamp")) or now
    since, keep_s = created, _PENDING_S
    for kind in ("Approved", "Denied", "Failed"):
        condition = condition_of(status, kind)
        if condition is not None and (kind != "Approved" or status.get("certificate")):
            since, keep_s = parsed_time(condition.get("lastUpdateTime")) or created, _DONE_S
    return keep_s - (now - since).total_seconds()


def permissions_to_ask(spec: JsonObject) -> Iterator[tuple[str, str]]:
    """By which a request is approved without anybody deciding it, with what is then said; as Kubernetes asks."""
    if spec.get("signerName") != KUBELET_CLIENT_SIGNER:
        return
    try:
        asked = parse_request(base64.b64decode(spec["request"]))
        check(KUBELET_CLIENT_SIGNER, asked, spec["usages"])
    except RequestError:
        return
    if common_name(asked) == spec.get("username"):
        yield "selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."
    yield "nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."


class CertificateRequests:
    """Kubernetes' signers, its approver and its cleaner of requests."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        authority: Authority,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("certificate-requests", self._reconcile, workers=1)
        self._client = client
        self._authority = authority
        self._now = now
        self._requests = informers.of(CERTIFICATE_SIGNING_REQUEST)
        self._requests.on_change(lambda _, after: self.reconciler.queue.add(key_of(after)) if after else None)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        request = self._requests.get(key)
        if request is None:
            return None
        left_s = kept_for_s(request, self._now())
        if left_s <= 0:
            await self._remove(request)
            return None
        status = request.get("status") or {}
        if request["spec"].get("signerName") in SIGNERS and not status.get("certificate"):
            decided = {kind for kind in ("Approved", "Denied", "Failed") if condition_of(status, kind) is not None}
            if decided == {"Approved"}:
                await self._sign(request)
            elif not decided and (message := await self._why_approved(request)):
                await self._approve(request, message)
        return left_s

    async def _why_approved(self, request: JsonObject) -> str:
        """Empty for what somebody has to decide."""
        for permission, message in permissions_to_ask(request["spec"]):
            if await self._may(request["spec"], permission):
                return message
        return ""

    async def _may(self, asking: JsonObject, subresource: str) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": asking.get("username") or "",
                "uid": asking.get("uid") or "",
                "groups": asking.get("groups") or [],
                "extra": asking.get("extra") or {},
                "resourceAttributes": {
                    "group": CERTIFICATE_SIGNING_REQUEST.group,
                    "resource": CERTIFICATE_SIGNING_REQUEST.plural,
                    "subresource": subresource,
                    "verb": "create",
                    "version": "*",
                },
            },
        }
        answer = await self._client.request("POST", _REVIEWS, body=review)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _approve(self, request: JsonObject, message: str) -> None:
        status = dict(request.get("status") or {})
        status["conditions"] = [*(status.get("conditions") or ()), self._condition("Approved", "AutoApproved", message)]
        stored = await self._client.replace(
            CERTIFICATE_SIGNING_REQUEST, {**request, "status": status}, subresource="approval"
        )
        self._requests.observe(stored)

    def _condition(self, kind: str, reason: str, message: str) -> JsonObject:
        now = stamp(self._now())
        return {
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastUpdateTime": now, "lastTransitionTime": now,
        }  # fmt: skip

    async def _sign(self, request: JsonObject) -> None:
        status, now = dict(request.get("status") or {}), self._now()
        try:
            certificate = await asyncio.to_thread(self._certificate, request["spec"], now)
        except RequestError as error:
            failed = self._condition("Failed", "SignerValidationFailure", str(error))
            status["conditions"] = [*(status.get("conditions") or ()), failed]
        else:
            status["certificate"] = base64.b64encode(certificate).decode()
        stored = await self._client.replace(
            CERTIFICATE_SIGNING_REQUEST, {**request, "status": status}, subresource="status"
        )
        self._requests.observe(stored)

    def _certificate(self, spec: JsonObject, now: datetime) -> bytes:
        asked = parse_request(base64.b64decode(spec["request"]))
        check(spec["signerName"], asked, spec["usages"])
        seconds = spec.get("expirationSeconds")
        lifetime = LONGEST if seconds is None else timedelta(seconds=seconds)
        return self._authority.sign(asked, spec["usages"], lifetime=lifetime, now=now)

    async def _remove(self, request: JsonObject) -> None:
        try:
            await self._client.delete(CERTIFICATE_SIGNING_REQUEST, name_of(request), uid=uid_of(request))
        except NotFound:
            return
