"""Leader election on a coordination.k8s.io Lease: of all processes with the same lease, one at a time works.

Safe against clock differences between machines: a lease counts as ended when *we* have seen no renewal for its
duration. A leader that cannot renew stops its work before anybody else may take over.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec import structs

from crossfade_kube.client import Client
from crossfade_kube.core.lease import LeaseSpec
from crossfade_kube.errors import Conflict, Forbidden, KubeError, NotFound
from crossfade_kube.locks import ConfigMapLock, LeaseLock, Lock
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import DecodeError
from crossfade_kube.tasks import is_cancelled

log = logging.getLogger(__name__)

# Who is told to end has not long: once for a claim that is under way, once for giving the lease back.
_LAST_REQUEST_S: Final = 0.7
# Of a lock: a role that is just being installed refuses for a moment too.
_MOST_REFUSALS: Final = 2


class LeaseTimes(NamedTuple):
    """In seconds; `renew_within_s` must be shorter than `duration_s`, or two leaders could overlap."""

    duration_s: int = 15
    renew_within_s: float = 10.0
    retry_s: float = 2.0


class LeadershipLost(Exception):  # noqa: N818 - an event in the life of a leader rather than a fault
    """Ends the work of a leader that could not renew its lease."""


def claimed(spec: LeaseSpec, *, identity: str, now: datetime, duration_s: int, is_expired: bool) -> LeaseSpec | None:
    """The lease as `identity` wants it, or None while another process holds it."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if spec.holder_identity == identity:
        return structs.replace(spec, renew_time=stamp, lease_duration_seconds=duration_s)
    if spec.holder_identity and not is_expired:
        return None
    return LeaseSpec(
        holder_identity=identity,
        lease_duration_seconds=duration_s,
        acquire_time=stamp,
        renew_time=stamp,
        lease_transitions=(spec.lease_transitions or 0) + (1 if spec.renew_time else 0),
    )


class LeaderElection:
    """One candidate; `identity` must be unique among them (the pod's name).

    It does not run for the Lease while it `stands_back`, as one that is about to end; a leader goes on leading.

    Where the role allows no such Lease, `config_map` is the name of the ConfigMap that takes its place, and where that
    is not allowed either this process leads without asking anybody. With None it waits for the right to the Lease.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        config_map: str | None = None,
        stands_back: Callable[[], bool] = bool,
        times: LeaseTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.is_leader = False
        self._lock: Lock | None = LeaseLock(client, namespace=namespace, name=name)
        self._others: list[Lock | None] = []
        if config_map is not None:
            self._others = [ConfigMapLock(client, namespace=namespace, name=config_map), None]
        self._refusals = 0
        self._name = name
        self._identity = identity
        self._stands_back = stands_back
        self._times = times or LeaseTimes()
        self._clock = clock
        self._sleep = sleep
        self._observed: LeaseSpec | None = None
        self._observed_at = 0.0

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` each time this process becomes leader and cancels it when leadership is lost; for ever, or
        until `work` returns or fails by itself. Gives the lease back at the end.
        """
        while True:
            try:
                while self._stands_back() or not await self._try_claim():
                    await self._sleep(self._times.retry_s)
                self._set_leader(True)
                if await self._work_while_renewing(work):
                    return
            finally:
                self._set_leader(False)
                await self._release()

    async def _work_while_renewing(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether the work came to its own end; False when leadership was lost."""
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._renew(), name=f"renew lease {self._name}")
                await work()
                renewing.cancel()
        except* LeadershipLost:
            if is_cancelled():
                raise asyncio.CancelledError from None
            is_done = False
        else:
            is_done = True
        return is_done

    async def _renew(self) -> None:
        renewed_at = self._clock()
        while True:
            await self._sleep(self._times.retry_s)
            left_s = self._times.renew_within_s - (self._clock() - renewed_at)
            if left_s <= 0:
                # Refusals may come faster than any timeout.
                raise LeadershipLost
            try:
                async with asyncio.timeout(left_s):
                    is_renewed = await self._try_claim()
            except TimeoutError:
                raise LeadershipLost from None
            if is_renewed:
                renewed_at = self._clock()
            elif self._observed is not None and self._observed.holder_identity != self._identity:
                raise LeadershipLost

    async def _try_claim(self) -> bool:
        if self._lock is None:
            return True
        try:
            stored = await self._lock.get()
        except NotFound:
            stored = None
        except KubeError as exc:
            self._note_failure("lease.unreachable", exc)
            return False
        try:
            spec = self._lock.spec_of(stored) if stored else LeaseSpec()
        except (DecodeError, ValueError) as exc:
            log.warning("lease.unreadable", extra={"fields": {"lease": self._name, "reason": exc}})
            return False
        self._observe(spec)
        wanted = claimed(
            spec,
            identity=self._identity,
            now=datetime.now(UTC),
            duration_s=self._times.duration_s,
            is_expired=self._clock() - self._observed_at > (spec.lease_duration_seconds or 0),
        )
        return wanted is not None and await self._write_to_the_end(self._lock, stored, wanted)

    async def _write_to_the_end(self, lock: Lock, stored: JsonObject | None, spec: LeaseSpec) -> bool:
        """A claim that is given up on its way would be stored after we looked whether there is one to give back."""
        writing = asyncio.ensure_future(self._write(lock, stored, spec))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing], timeout=_LAST_REQUEST_S)
            writing.cancel()
            raise

    async def _write(self, lock: Lock, stored: JsonObject | None, spec: LeaseSpec) -> bool:
        try:
            await lock.write(stored, spec)
        except Conflict:
            return False
        except KubeError as exc:
            self._note_failure("lease.not_written", exc)
            return False
        self._others.clear()
        self._observe(spec)
        return True

    def _note_failure(self, event: str, exc: KubeError) -> None:
        """A lock that was ours once is not changed for another: there may be a new leader on it."""
        if self._lock is not None and isinstance(exc, Forbidden) and self._others:
            self._refusals += 1
            if self._refusals < _MOST_REFUSALS:
                return
            self._refusals = 0
            lock = self._lock = self._others.pop(0)
            instead = f"ConfigMap {lock.name}" if lock else "no lock: keep one replica"
            log.warning("lease.forbidden", extra={"fields": {"lease": self._name, "instead": instead, "reason": exc}})
        else:
            log.warning(event, extra={"fields": {"lease": self._name, "reason": exc}})

    def _observe(self, spec: LeaseSpec) -> None:
        if spec != self._observed:
            self._observed, self._observed_at = spec, self._clock()

    def _set_leader(self, is_leader: bool) -> None:
        if self.is_leader != is_leader:
            log.info("lease.acquired" if is_leader else "lease.lost", extra={"fields": {"lease": self._name}})
        self.is_leader = is_leader

    async def _release(self) -> None:
        """Lets the next candidate start at once; when this fails, it starts when the lease ends."""
        lock = self._lock
        if lock is None:
            return
        try:
            async with asyncio.timeout(_LAST_REQUEST_S):
                stored = await lock.get()
                spec = lock.spec_of(stored)
                if spec.holder_identity == self._identity:
                    await self._write(lock, stored, structs.replace(spec, holder_identity="", lease_duration_seconds=1))
        except (KubeError, DecodeError, ValueError, TimeoutError) as exc:
            log.debug("lease.not_released", extra={"fields": {"lease": self._name, "reason": exc}})
