"""KongConsumer and KongConsumerGroup: who calls, and by which Secrets a caller is known (kong.md §1.4)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP, KongStatus
from crossfade_kube.meta import ObjectMeta, Resource


class KongConsumer(Struct, frozen=True, rename="camel"):
    """`credentials` are names of Secrets in the consumer's namespace."""

    RESOURCE: ClassVar = Resource(GROUP, "v1", "kongconsumers", "KongConsumer", True)

    metadata: ObjectMeta = ObjectMeta()
    username: str = ""
    custom_id: str = field(default="", name="custom_id")
    credentials: tuple[str, ...] = ()
    consumer_groups: tuple[str, ...] = ()
    status: KongStatus | None = None


class KongConsumerGroup(Struct, frozen=True, rename="camel"):
    RESOURCE: ClassVar = Resource(GROUP, "v1beta1", "kongconsumergroups", "KongConsumerGroup", True)

    metadata: ObjectMeta = ObjectMeta()
    status: KongStatus | None = None
