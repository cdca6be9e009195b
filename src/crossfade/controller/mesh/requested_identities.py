"""Identities that an issuer of cert-manager signs.

Keys never leave this process but to their sidecars. A certificate of an authority that peers do not know yet is kept
back until all replicas have told theirs of it, unless there is no other.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import structs

from crossfade.certs.identities import IssuedIdentity, UnfitError, identity_from_answer, identity_request
from crossfade.compile.model import Identity, Issuer
from crossfade.controller.mesh.certificate_requests import RefusedError, ask, sweep
from crossfade.controller.mesh.identities import IdentityNews
from crossfade.controller.mesh.issuer_authorities import joined, key_of, known, learn
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import Forbidden, KubeError, NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName

_AT_ONCE: Final = 8
_LEAST_PAUSE_S: Final = 0.2
_SWEEP: Final = timedelta(hours=1)


class RequestedIdentities:
    """As `Identities`, for those that have an issuer."""

    def __init__(
        self,
        client: Client,
        config_map: NamespacedName,
        *,
        lifetime: timedelta,
        log: EventLog,
        on_change: Callable[[], None],
        tell: Callable[[IdentityNews], None],
        check_s: float = 60.0,
        retries_s: tuple[float, float] = (1.0, 60.0),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._config_map = config_map
        self._lifetime = lifetime
        self._log = log
        self._on_change = on_change
        self._tell = tell
        self._check_s = check_s
        self._retries_s = retries_s
        self._now = now
        self._issued: dict[Identity, IssuedIdentity] = {}
        self._authorities: dict[str, str] = {}
        self._under_way: set[Identity] = set()
        self._asked: asyncio.Queue[Identity] = asyncio.Queue()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._swept_at: datetime | None = None

    def of(self, identity: Identity) -> IssuedIdentity | None:
        """The very same one until it changes; None until the issuer has signed."""
        known_one = self._issued.get(identity)
        is_due = known_one is None or self._now() >= known_one.renewed_at
        if is_due and identity not in self._under_way and identity.issuer is not None and identity.issuer.name:
            self._under_way.add(identity)
            self._asked.put_nowait(identity)
        return known_one

    def keep_only(self, wanted: Iterable[Identity]) -> None:
        """All that are of use: others are forgotten."""
        kept = frozenset(wanted)
        for gone in self._issued.keys() - kept:
            del self._issued[gone]
        self._under_way &= kept

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            first = await self._asked.get()
            tasks.create_task(self._keep_up())
            tasks.create_task(self._obtain(first))
            while True:
                tasks.create_task(self._obtain(await self._asked.get()))

    async def _keep_up(self) -> None:
        while True:
            try:
                self._take_authorities(await known(self._client, self._config_map))
                await self._sweep()
            except KubeError as exc:
                self._log.warning("identities.not_checked", config_map=str(self._config_map), reason=exc)
            now = self._now()
            if any(now >= one.renewed_at for one in self._issued.values()):
                self._on_change()
            first = min((one.renewed_at for one in self._issued.values() if one.renewed_at > now), default=None)
            until_s = self._check_s if first is None else (first - now).total_seconds()
            await asyncio.sleep(min(max(until_s, _LEAST_PAUSE_S), self._check_s))

    async def _sweep(self) -> None:
        now = self._now()
        if self._swept_at is None or now - self._swept_at > _SWEEP:
            await sweep(self._client, self._config_map.namespace, now)
            self._swept_at = now

    async def _obtain(self, identity: Identity) -> None:
        """Ends when there is one, or nobody wants it any more."""
        issuer, backoff = identity.issuer, Backoff(*self._retries_s)
        assert issuer is not None
        while identity in self._under_way:
            try:
                async with self._at_once:
                    made = await self._asked_for(identity, issuer)
                await self._make_believed(identity, issuer, made)
            except (KubeError, RefusedError, UnfitError) as exc:
                self._tell_failure(identity, issuer, exc)
                await asyncio.sleep(backoff.next_s())
            else:
                if identity in self._under_way:
                    self._issued[identity] = self._believing(issuer, made)
                    self._under_way.discard(identity)
                    self._on_change()
                return

    async def _asked_for(self, identity: Identity, issuer: Issuer) -> IssuedIdentity:
        request = identity_request(identity.spiffe_id)
        where = self._config_map.namespace
        answer = await ask(self._client, where, issuer, request.certificate_pem, self._lifetime)
        key = request.key_pem
        return identity_from_answer(identity.spiffe_id, key, answer.certificate, answer.authority, now=self._now())

    async def _make_believed(self, identity: Identity, issuer: Issuer, made: IssuedIdentity) -> None:
        known_pem = self._authorities.get(key_of(issuer), "")
        if joined(known_pem, made.authorities_pem, self._now()) == known_pem:
            return
        self._take_authorities(await learn(self._client, self._config_map, issuer, made.authorities_pem, self._now()))
        former = self._issued.get(identity)
        if former is not None and (left_s := (former.ends_at - self._now()).total_seconds()) > 0:
            await asyncio.sleep(min(2 * self._check_s, left_s / 2))

    def _take_authorities(self, found: dict[str, str]) -> None:
        if found == self._authorities:
            return
        self._authorities = found
        for identity, issued in self._issued.items():
            if identity.issuer is not None:
                self._issued[identity] = self._believing(identity.issuer, issued)
        self._on_change()

    def _believing(self, issuer: Issuer, issued: IssuedIdentity) -> IssuedIdentity:
        trusted = self._authorities.get(key_of(issuer)) or issued.authorities_pem
        return issued if trusted == issued.authorities_pem else structs.replace(issued, authorities_pem=trusted)

    def _tell_failure(self, identity: Identity, issuer: Issuer, problem: Exception) -> None:
        hint = ""
        if isinstance(problem, Forbidden):
            hint = "; apply what `crossfade install mesh` prints"
        elif isinstance(problem, NotFound):
            hint = "; install cert-manager, whose CertificateRequests are not known here"
        has_one = identity in self._issued
        effect = (
            "the former one goes on"
            if has_one
            else "its proxies keep the configuration that they have, and new ones wait"
        )
        self._log.warning("identities.not_signed", identity=identity.spiffe_id, issuer=str(issuer), reason=problem)
        message = f"{issuer} gives {identity.spiffe_id} no certificate: {problem}{hint}; {effect}"
        self._tell(IdentityNews("MeshIdentitiesMissing", message, is_problem=True, issuer=issuer))
