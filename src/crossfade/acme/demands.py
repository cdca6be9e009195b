"""What the latest configuration asks for, handed from who compiles to who asks the authority."""

import asyncio

from crossfade.compile.gateway.acme import Demand


class Demands:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self.latest: Demand | None = None
        """None: no plugin wants any certificate."""
        self.changed = asyncio.Event()

    def put(self, demand: Demand | None) -> None:
        if demand != self.latest:
            self.latest = demand
            self.changed.set()

    async def any(self) -> None:
        """Until there is one: what asks takes a moment to import, and most gateways never need it."""
        while self.latest is None:
            self.changed.clear()
            await self.changed.wait()
