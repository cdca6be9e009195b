"""Certificates that the plugin acme asks for: kept in Secrets that all replicas watch; the leader asks."""

from collections.abc import Callable
from typing import Final

from crossfade.acme.demands import Demands
from crossfade.acme.news import News
from crossfade.acme.secret_store import SecretStore
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.logging import EventLog

ISSUED: Final = "CertificateIssued"
NOT_ISSUED: Final = "CertificateNotIssued"
# For the other replicas to see a challenge, and their proxies to take it.
_SPREAD_S: Final = 3.0

log = EventLog("crossfade.gateway")


class Certificates:
    """`is_taken` says whether the proxy beside us has taken all that was compiled."""

    def __init__(
        self, client: Client, settings: CompileSettings, events: EventRecorder, is_taken: Callable[[], bool]
    ) -> None:
        self._demands = Demands()
        self._settings = settings
        self._store = SecretStore(client, settings.acme_secrets)
        self._events = events
        self._is_taken = is_taken

    def want(self, compiled: CompiledGateway | None) -> None:
        self._demands.put(None if compiled is None else compiled.entities.acme)

    async def run(self) -> None:
        """Until cancelled; only where this replica leads."""
        await self._demands.any()
        from crossfade.acme.worker import AcmeWorker

        worker = AcmeWorker(
            self._store,
            self._demands,
            is_live=self._is_live,
            tell=self._tell,
            authorities=self._settings.trusted_authorities,
            spread_s=_SPREAD_S,
        )
        await worker.run()

    def _is_live(self, tokens: frozenset[str]) -> bool:
        latest = self._demands.latest
        return latest is not None and tokens <= latest.tokens and self._is_taken()

    def _tell(self, news: News) -> None:
        if news.is_failure:
            log.warning("acme.not-issued", plugin=news.ref, host=news.host, reason=news.text)
            self._events.warning(news.ref, NOT_ISSUED, news.text)
        else:
            log.info("acme.issued", plugin=news.ref, host=news.host)
            self._events.normal(news.ref, ISSUED, news.text)
