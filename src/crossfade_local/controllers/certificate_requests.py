"""Signs approved requests for certificates of API clients, and removes requests that are done or forgotten."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import CERTIFICATE_SIGNING_REQUEST
from crossfade_local.certificate_requests import (
    CLIENT_SIGNER,
    LONGEST,
    Authority,
    RequestError,
    check_client,
    parse_request,
)
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import condition_of, key_of, name_of, parsed_time, stamp, uid_of
from crossfade_local.controllers.reconciler import Reconciler

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


class CertificateRequests:
    """The signer `kubernetes.io/kube-apiserver-client` and the cleaner of requests."""

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
        if self._is_to_be_signed(request):
            await self._sign(request)
        return left_s

    def _is_to_be_signed(self, request: JsonObject) -> bool:
        status = request.get("status") or {}
        is_ours = request["spec"].get("signerName") == CLIENT_SIGNER and not status.get("certificate")
        decided = {kind for kind in ("Approved", "Denied", "Failed") if condition_of(status, kind) is not None}
        return is_ours and decided == {"Approved"}

    async def _sign(self, request: JsonObject) -> None:
        status, now = dict(request.get("status") or {}), self._now()
        try:
            certificate = await asyncio.to_thread(self._certificate, request["spec"], now)
        except RequestError as error:
            failed = {
                "type": "Failed",
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": str(error),
                "lastUpdateTime": stamp(now),
                "lastTransitionTime": stamp(now),
            }
            status["conditions"] = [*(status.get("conditions") or ()), failed]
        else:
            status["certificate"] = base64.b64encode(certificate).decode()
        stored = await self._client.replace(
            CERTIFICATE_SIGNING_REQUEST, {**request, "status": status}, subresource="status"
        )
        self._requests.observe(stored)

    def _certificate(self, spec: JsonObject, now: datetime) -> bytes:
        asked = parse_request(base64.b64decode(spec["request"]))
        check_client(asked, spec["usages"])
        seconds = spec.get("expirationSeconds")
        lifetime = LONGEST if seconds is None else timedelta(seconds=seconds)
        return self._authority.sign(asked, spec["usages"], lifetime=lifetime, now=now)

    async def _remove(self, request: JsonObject) -> None:
        try:
            await self._client.delete(CERTIFICATE_SIGNING_REQUEST, name_of(request), uid=uid_of(request))
        except NotFound:
            return
