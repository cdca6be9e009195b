"""Records of a mesh's sidecars and virtual gateways: named by their objects, calls replayed."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from crossfade.compile.mesh import MeshModel
from crossfade.explain.calls import UnknownNode, explain_call
from crossfade.explain.request import BadRequest, question_of
from crossfade.observe.pages import RecordPages
from crossfade.observe.rates import Rates
from crossfade.observe.record import Record, Wanted
from crossfade.observe.records import Records
from crossfade.observe.replay import Hop
from crossfade.xds.publisher import Publisher
from crossfade_kube.meta import NamespacedName

_ADJUSTED_EACH_S: Final = 5.0


class MeshRecords:
    """`model` is what was compiled last."""

    def __init__(self, publisher: Publisher, model: Callable[[], MeshModel | None]) -> None:
        self._model = model
        self.records = Records(node_of=self._node_of)
        self.rates = Rates(publisher)

    def pages(self) -> RecordPages:
        return RecordPages(
            self.records, self.rates, replay=self._replayed, proxies_of=self._proxies_of, node_of=self._node_of
        )

    async def keep_rates(self) -> None:
        """Until cancelled: proxies come and go."""
        while True:
            self.rates.adjust()
            await asyncio.sleep(_ADJUSTED_EACH_S)

    def _node_of(self, proxy: str) -> str:
        model = self._model()
        owner = model.owners.get(proxy) if model is not None else None
        return f"{owner.namespace}/{owner.name}" if owner is not None else proxy

    def _proxies_of(self, wanted: Wanted) -> Collection[str] | None:
        model = self._model()
        if model is None or not (wanted.nodes or wanted.namespace):
            return None
        # Whoever calls those that are watched is not known beforehand; they tell of it themselves.
        return [path for path, owner in model.owners.items() if _is_wanted(wanted, owner.namespace, owner.name)]

    async def _replayed(self, records: Sequence[Record]) -> Sequence[Hop]:
        model = self._model()
        return await asyncio.to_thread(lambda: [call_hop(record, model) for record in records])


def _is_wanted(wanted: Wanted, namespace: str, name: str) -> bool:
    if wanted.nodes:
        return f"{namespace}/{name}" in wanted.nodes
    return namespace == wanted.namespace


def call_hop(record: Record, model: MeshModel | None) -> Hop:
    """What arrives is not routed any more."""
    if model is None or record.side != "source":
        return Hop(record)
    port = record.local.rpartition(":")[2]
    host = record.host.rpartition(":")[0] if record.host.rpartition(":")[2].isdigit() else record.host
    url = f"http://{host or 'localhost'}:{port}{record.path}" if port.isdigit() else f"http://{host}{record.path}"
    namespace, _, name = record.node.partition("/")
    try:
        question = question_of(record.method, url, [f"Host: {record.host}"])
        return Hop(record, call=explain_call(model, NamespacedName(namespace, name), question, url))
    except (BadRequest, UnknownNode, ValueError, StopIteration) as error:
        return Hop(record, doubt=f"it cannot be asked again: {error}")
