"""Records of a gateway's proxy: names of its routes and services added, and its requests replayed."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.compile.gateway.state import KongRoute, KongService
from crossfade.explain.origins import kong_of
from crossfade.observe.rates import Rates
from crossfade.observe.record import Record, Wanted
from crossfade.observe.records import Records
from crossfade.observe.replay import Hop, gateway_hop, objects_of
from crossfade.xds.publisher import Publisher

if TYPE_CHECKING:
    # A gateway answers requests before anybody asks for pages.
    from crossfade.explain.explainer import Explainer
    from crossfade.observe.pages import RecordPages

NODE = "gateway"


class GatewayRecords:
    """`latest` is what the proxy has, or is about to get; `place_of` an object's file and line, or nothing."""

    def __init__(
        self,
        publisher: Publisher,
        latest: Callable[[], CompiledGateway | None],
        *,
        node: str = NODE,
        place_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._latest = latest
        self._node = node
        self._place_of = place_of
        self._asking = asyncio.Lock()
        self._explained: CompiledGateway | None = None
        self._explainer: Explainer | None = None
        self._of: CompiledGateway | None = None
        self._kong: dict[str, tuple[KongRoute, KongService]] = {}
        self.records = Records(node_of=lambda _: node, complete=self._named)
        self.rates = Rates(publisher)

    def pages(self) -> "RecordPages":
        from crossfade.observe.pages import RecordPages

        return RecordPages(self.records, self.rates, replay=self._replayed, proxies_of=self._proxies_of)

    def _proxies_of(self, wanted: Wanted) -> Collection[str] | None:
        return None if not wanted.nodes or self._node in wanted.nodes else ()

    def _named(self, record: Record) -> Record:
        kong = self._known().get(record.route)
        if kong is None:
            return record
        return replace(record, route_name=kong[0].name, service=kong[1].name)

    def _known(self) -> dict[str, tuple[KongRoute, KongService]]:
        latest = self._latest()
        if latest is not self._of:
            self._of, self._kong = latest, {} if latest is None else kong_of(latest.entities)
        return self._kong

    async def _replayed(self, records: Sequence[Record]) -> Sequence[Hop]:
        async with self._asking:
            latest = self._latest()
            if latest is None or not records:
                return [Hop(record) for record in records]
            return await asyncio.to_thread(self._hops, records, latest)

    def _hops(self, records: Sequence[Record], latest: CompiledGateway) -> list[Hop]:
        if self._explained is not latest or self._explainer is None:
            from crossfade.explain.explainer import Explainer

            self._explained, self._explainer = latest, Explainer(latest)
        hops = (gateway_hop(record, self._explainer) for record in records)
        return [replace(hop, places=self._places(hop)) for hop in hops]

    def _places(self, hop: Hop) -> dict[str, str]:
        return {thing: place for thing in objects_of(hop) if (place := self._place_of(thing))}
