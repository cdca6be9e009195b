"""The order of admission: built-in mutation, then what other people registered; then checks, and theirs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from crossfade_local.apiserver.admission.attributes import Attributes

Step = Callable[[Attributes], None]
Wait = Callable[[Attributes], Awaitable[None]]
Again = Callable[[], Awaitable[None]]
"""Lets those that ask for it see what others have changed after them."""


async def nothing_more() -> None:
    """Where nobody is to be asked again."""


class Mutates(Protocol):
    """Webhooks or policies that other people registered."""

    async def mutate(self, attributes: Attributes) -> Again:
        """Let them change `attributes.new`; raises StatusError."""


class Validates(Protocol):
    """Webhooks or policies that other people registered."""

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
        registered_mutators: Sequence[Mutates],
        registered_validators: Sequence[Validates],
        last: Sequence[Step] = (),
    ) -> None:
        self._gate: Final = tuple(gate)
        self._waits: Final = tuple(waits)
        self._mutators: Final = tuple(mutators)
        self._validators: Final = tuple(validators)
        self._registered_mutators: Final = tuple(registered_mutators)
        self._registered_validators: Final = tuple(registered_validators)
        self._last: Final = tuple(last)

    async def mutate(self, attributes: Attributes) -> None:
        for step in self._gate:
            step(attributes)
        for wait in self._waits:
            await wait(attributes)
        for step in self._mutators:
            step(attributes)
        if not attributes.is_admitted:
            await self._mutate_as_registered(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for step in self._validators:
            step(attributes)
        if not attributes.is_admitted:
            await self._validate_as_registered(attributes)
        # Nobody else gets a turn between these and the write.
        for step in self._last:
            step(attributes)

    async def admit_foreign(self, attributes: Attributes) -> None:
        """What is not stored as it is: the built-in steps have no say in it."""
        await self._mutate_as_registered(attributes)
        await self._validate_as_registered(attributes)

    async def _mutate_as_registered(self, attributes: Attributes) -> None:
        for again in [await one.mutate(attributes) for one in self._registered_mutators]:
            await again()

    async def _validate_as_registered(self, attributes: Attributes) -> None:
        for one in self._registered_validators:
            await one.validate(attributes)
