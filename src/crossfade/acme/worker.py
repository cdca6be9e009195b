"""Asks for certificates, one after the other, and renews them: the loop around schedule, store and authority."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from crossfade.acme.authority import Authority, AuthorityError, Order
from crossfade.acme.demands import Demands
from crossfade.acme.news import News
from crossfade.acme.schedule import Due, due, leftovers, pause_s, shown
from crossfade.acme.settings import AcmeSettings, settings_of
from crossfade.acme.store import Changes, Entries, Store, StoreError
from crossfade.acme.threads import in_thread
from crossfade.compile.gateway.acme import Demand
from crossfade.compile.gateway.acme_store import (
    CERTIFICATE,
    CHALLENGE,
    FAILURE,
    Account,
    Certificate,
    Failure,
    account_key_name,
    decoded,
    encoded,
    why_unusable,
)
from crossfade_kube.backoff import Backoff
from crossfade_kube.logging import EventLog

log = EventLog("crossfade.acme")

# Clocks are set, and machines sleep.
_LOOK_AT_LEAST_EVERY_S: Final = 600.0
_LIVE_WITHIN_S: Final = 30.0
_ALLOWED_WITHIN_S: Final = 90.0
_POLL_S: Final = 1.0
_LOOK_S: Final = 0.02


class AcmeWorker:
    """One at a time may run on a store. Everything it depends on comes in by parameter.

    `is_live` says whether the proxy answers these tokens; other gateways get `spread_s` to do so too. `now` is Unix
    time, `authorities` as `Authority` has it.
    """

    def __init__(
        self,
        store: Store,
        demands: Demands,
        *,
        is_live: Callable[[frozenset[str]], bool],
        tell: Callable[[News], None],
        authorities: str | None = None,
        spread_s: float = 0.0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._demands = demands
        self._is_live = is_live
        self._tell = tell
        self._authorities = authorities
        self._spread_s = spread_s
        self._now = now
        self._sleep = sleep
        self._told: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Until cancelled. A new demand takes effect when what is being asked for now is done."""
        trouble = Backoff(1.0, 300.0)
        while True:
            self._demands.changed.clear()
            demand = self._demands.latest
            try:
                wait_s = await self._step(demand) if demand is not None else None
                trouble.reset()
            except StoreError as error:
                wait_s = trouble.next_s()
                if demand is not None:
                    text = f"certificates cannot be kept, so none is asked for: {error}"
                    self._tell(News(demand.ref, "", text, is_failure=True))
            await self._until_changed(wait_s)

    async def _until_changed(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._demands.changed.wait()
        except TimeoutError:
            return

    async def _step(self, demand: Demand) -> float:
        """Does what is due first; in how many seconds to look again."""
        settings = settings_of(demand.config)
        entries = await self._store.read()
        await self._remove_leftovers(entries, demand)
        waiting = await in_thread(partial(due, entries, demand.hosts, settings, self._now()))
        for one in waiting:
            self._tell_trouble(one, demand)
        if not waiting:
            return _LOOK_AT_LEAST_EVERY_S
        first = waiting[0]
        if first.at > self._now():
            return min(first.at - self._now(), _LOOK_AT_LEAST_EVERY_S)
        await self._renew(first, demand, settings, entries)
        return 0.0

    async def _remove_leftovers(self, entries: Entries, demand: Demand) -> None:
        now = self._now()
        gone: Changes = await in_thread(lambda: dict.fromkeys(leftovers(entries, demand.hosts, now)))
        if gone:
            await self._store.write(gone)

    def _tell_trouble(self, one: Due, demand: Demand) -> None:
        if one.trouble is not None and (one.host, one.trouble) not in self._told:
            self._told.add((one.host, one.trouble))
            text = f"the certificate that is kept for {one.host} is replaced: {one.trouble}"
            self._tell(News(demand.ref, one.host, text, is_failure=True))

    async def _renew(self, one: Due, demand: Demand, settings: AcmeSettings, entries: Entries) -> None:
        try:
            made = await self._issued(one.host, settings, entries)
        except AuthorityError as error:
            await self._fail(one, demand, settings, error)
            return
        except StoreError:
            raise
        except Exception as exc:
            # The authority must not be asked again at once because of a bug of ours.
            log.exception("acme.failed", exc, host=one.host)
            text = f"a fault in Crossfade ({type(exc).__name__}), whose traceback is in the log"
            await self._fail(one, demand, settings, AuthorityError(text))
            return
        await self._store.write({CERTIFICATE + one.host: encoded(made), FAILURE + one.host: None})
        self._told = {(host, text) for host, text in self._told if host != one.host}
        what = "issued" if one.expires is None else "renewed"
        self._tell(News(demand.ref, one.host, f"the certificate for {one.host} was {what}"))

    async def _fail(self, one: Due, demand: Demand, settings: AcmeSettings, error: AuthorityError) -> None:
        next_try = self._now() + pause_s(settings.fail_backoff_minutes, error.retry_after_s)
        failure = Failure(str(error), next_try, one.failures + 1)
        await self._store.write({FAILURE + one.host: encoded(failure)})
        expires = f"; the present one expires at {shown(one.expires)}" if one.expires is not None else ""
        text = f"no certificate for {one.host} from {settings.api_uri}: {error}{expires}; next try at {shown(next_try)}"
        self._tell(News(demand.ref, one.host, text, is_failure=True))

    async def _issued(self, host: str, settings: AcmeSettings, entries: Entries) -> Certificate:
        name = account_key_name(settings.api_uri, settings.account_email)
        known = decoded(entries.get(name), Account)
        authority = await in_thread(partial(Authority, settings, known, authorities=self._authorities))
        try:
            if authority.account != known:
                await self._store.write({name: encoded(authority.account)})
            order = await in_thread(partial(authority.order, host))
            await self._prove(order)
            made = await in_thread(order.certificate)
        finally:
            authority.close()
        problem = await in_thread(partial(why_unusable, made, host))
        if problem is not None:
            raise AuthorityError(f"what it sent cannot be used: {problem}")
        return made

    async def _prove(self, order: Order) -> None:
        """The tokens are live before the authority is told, and gone when it has looked."""
        answers = {CHALLENGE + one.token: one.authorization.encode() for one in order.challenges}
        if not answers:
            return
        await self._store.write(answers)
        try:
            await self._until_live(frozenset(one.token for one in order.challenges))
            await in_thread(order.answer)
            await self._until_allowed(order)
        finally:
            await self._store.write(dict.fromkeys(answers))

    async def _until_live(self, tokens: frozenset[str]) -> None:
        try:
            async with asyncio.timeout(_LIVE_WITHIN_S):
                while not self._is_live(tokens):
                    await self._sleep(_LOOK_S)
        except TimeoutError:
            raise AuthorityError("the proxy has not taken the challenge in time, so nothing was asked for") from None
        if self._spread_s:
            await self._sleep(self._spread_s)

    async def _until_allowed(self, order: Order) -> None:
        try:
            async with asyncio.timeout(_ALLOWED_WITHIN_S):
                while not await in_thread(order.is_allowed):
                    await self._sleep(_POLL_S)
        except TimeoutError:
            raise AuthorityError("the authority has not looked at the challenge in time") from None
