"""Identities of sidecars: made when one is first published, renewed in time, all anew under a new authority.

Keys exist in this process and, over the sidecar's own stream, in that sidecar; never in a file or Secret. Replicas
share the authority, and each makes identities of its own.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from crossfade.certs.identities import IdentityAuthority, IssuedIdentity, issue_identity, renewed_authority
from crossfade.compile.model import Identity, Issuer
from crossfade.controller.mesh.identity_secret import keep
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import Forbidden, KubeError
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName

_LEAST_PAUSE_S: Final = 0.2
_PAUSES_S: Final = (0.5, 30.0)


class IdentityNews(NamedTuple):
    """For the authors of all meshes with identities of the issuer; `is_problem` where something is wrong."""

    reason: str
    message: str
    is_problem: bool
    issuer: Issuer | None = None


class Identities:
    """`run` keeps what `of` gives up to date. `on_change` is called when `of` would give something else for someone.

    Every `check_s` at least the Secret is looked at.
    """

    def __init__(
        self,
        client: Client,
        secret: NamespacedName,
        *,
        lifetime: timedelta,
        log: EventLog,
        on_change: Callable[[], None],
        tell: Callable[[IdentityNews], None],
        check_s: float = 60.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._secret = secret
        self._lifetime = lifetime
        self._log = log
        self._on_change = on_change
        self._tell = tell
        self._check_s = check_s
        self._now = now
        self._authority: IdentityAuthority | None = None
        self._issued: dict[Identity, IssuedIdentity] = {}
        self._is_needed = asyncio.Event()

    def of(self, identity: Identity) -> IssuedIdentity | None:
        """The very same one until it is due; None until an authority is there."""
        if self._authority is None:
            self._is_needed.set()
            return None
        now = self._now()
        known = self._issued.get(identity)
        if known is None or now >= known.renewed_at:
            known = issue_identity(self._authority, identity.spiffe_id, lifetime=self._lifetime, now=now)
            self._issued[identity] = known
        return known

    def keep_only(self, wanted: Iterable[Identity]) -> None:
        """All that are of use: others are forgotten."""
        kept = frozenset(wanted)
        for gone in self._issued.keys() - kept:
            del self._issued[gone]

    async def run(self) -> None:
        """Until cancelled."""
        await self._is_needed.wait()
        backoff = Backoff(*_PAUSES_S)
        while True:
            try:
                await self._refresh()
                backoff.reset()
                pause_s = self._pause_s()
            except KubeError as exc:
                pause_s = backoff.next_s()
                self._tell_failure(exc)
            await asyncio.sleep(pause_s)

    async def _refresh(self) -> None:
        before = self._authority

        def decide(stored: IdentityAuthority | None) -> IdentityAuthority:
            return renewed_authority(stored, before, identity_lifetime=self._lifetime, now=self._now())

        was_there = False

        def noted(stored: IdentityAuthority | None) -> IdentityAuthority:
            nonlocal was_there
            was_there = stored is not None
            return decide(stored)

        authority = await keep(self._client, self._secret, noted)
        if authority != before:
            self._authority = authority
            self._issued.clear()
            self._tell_change(is_first=before is None, was_there=was_there)
        if authority != before or self._is_due():
            self._on_change()

    def _tell_change(self, *, is_first: bool, was_there: bool) -> None:
        if not is_first and not was_there:
            self._tell(
                IdentityNews(
                    "MeshAuthorityLost",
                    f"Secret {self._secret} was gone or could not be used: a new authority of identities was made and "
                    "sent to all sidecars; what the former one has signed is trusted until it ends",
                    is_problem=True,
                )
            )
        elif not was_there:
            message = f"the authority of identities was made and is kept in Secret {self._secret}"
            self._tell(IdentityNews("MeshAuthorityMade", message, is_problem=False))
        elif not is_first:
            self._log.info("identities.authority_renewed", secret=str(self._secret))

    def _tell_failure(self, problem: KubeError) -> None:
        hint = ": apply what `crossfade install mesh` prints" if isinstance(problem, Forbidden) else ""
        self._log.warning("identities.not_checked", secret=str(self._secret), reason=problem)
        if self._authority is None:
            effect = "sidecars that need an identity keep the configuration that they have, and new ones wait"
            message = f"Secret {self._secret} cannot be read or written ({problem}){hint}; {effect}"
            self._tell(IdentityNews("MeshIdentitiesMissing", message, is_problem=True))

    def _is_due(self) -> bool:
        now = self._now()
        return any(now >= one.renewed_at for one in self._issued.values())

    def _pause_s(self) -> float:
        first = min((one.renewed_at for one in self._issued.values()), default=None)
        if first is None:
            return self._check_s
        return min(max((first - self._now()).total_seconds(), _LEAST_PAUSE_S), self._check_s)
