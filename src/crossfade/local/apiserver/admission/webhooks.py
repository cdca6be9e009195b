"""Calls the admission webhooks that MutatingWebhookConfigurations and ValidatingWebhookConfigurations name."""

from typing import Final

from crossfade.local.apiserver.admission.attributes import Attributes
from crossfade.local.apiserver.registry import Registry
from crossfade.local.apiserver.storage import Storage


class WebhookCaller:
    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage: Final = storage
        self._registry: Final = registry

    async def mutate(self, attributes: Attributes) -> bool:
        return False

    async def validate(self, attributes: Attributes) -> None:
        return

    async def close(self) -> None:
        return
