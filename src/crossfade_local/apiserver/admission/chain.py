"""The order of admission: built-in mutation, mutating webhooks, then checks, policies and validating webhooks."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from crossfade_local.apiserver.admission.attributes import Attributes

Step = Callable[[Attributes], None]
Wait = Callable[[Attributes], Awaitable[None]]


class Webhooks(Protocol):
    """Calls the webhooks that other people registered."""

    async def mutate(self, attributes: Attributes) -> bool:
        """Let mutating webhooks change `attributes.new`; True if one did."""

    async def validate(self, attributes: Attributes) -> None:
        """Ask validating webhooks; raises StatusError on a denial."""


class Policies(Protocol):
    """Asks the policies that other people registered."""

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError on a denial."""


class AdmissionChain:
    """Built-in steps are plain functions that raise StatusError to refuse."""

    def __init__(
        self,
        *,
        gate: Sequence[Step],
        waits: Sequence[Wait],
        mutators: Sequence[Step],
        validators: Sequence[Step],
        policies: Policies,
        webhooks: Webhooks,
        last: Sequence[Step] = (),
    ) -> None:
        self._gate: Final = tuple(gate)
        self._waits: Final = tuple(waits)
        self._mutators: Final = tuple(mutators)
        self._validators: Final = tuple(validators)
        self._policies: Final = policies
        self._webhooks: Final = webhooks
        self._last: Final = tuple(last)

    async def mutate(self, attributes: Attributes) -> None:
        for step in self._gate:
            step(attributes)
        for wait in self._waits:
            await wait(attributes)
        for step in self._mutators:
            step(attributes)
        if not attributes.is_admitted:
            await self._webhooks.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for step in self._validators:
            step(attributes)
        if not attributes.is_admitted:
            await self._policies.validate(attributes)
            await self._webhooks.validate(attributes)
        # Nobody else gets a turn between these and the write.
        for step in self._last:
            step(attributes)

    async def admit_foreign(self, attributes: Attributes) -> None:
        """What is not stored as it is: the built-in steps have no say in it."""
        await self._webhooks.mutate(attributes)
        await self._policies.validate(attributes)
        await self._webhooks.validate(attributes)
