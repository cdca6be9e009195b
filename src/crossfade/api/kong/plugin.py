"""KongPlugin and KongClusterPlugin: one configured policy, without the place where it applies (kong.md §1.3)."""

from typing import Any, ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import Condition, JsonObject, ObjectMeta, Resource

GROUP = "configuration.konghq.com"


class SecretKeyRef(Struct, frozen=True):
    """`namespace` is used by KongClusterPlugin only."""

    name: str = ""
    key: str = ""
    namespace: str = ""


class ConfigSource(Struct, frozen=True, rename="camel"):
    secret_key_ref: SecretKeyRef = SecretKeyRef()


class ConfigPatch(Struct, frozen=True, rename="camel"):
    """`path` is a JSON pointer into the configuration; empty means all of it."""

    path: str = ""
    value_from: ConfigSource = ConfigSource()


class KongStatus(Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


class KongPlugin(Struct, frozen=True, rename="camel"):
    RESOURCE: ClassVar = Resource(GROUP, "v1", "kongplugins", "KongPlugin", True)

    metadata: ObjectMeta = ObjectMeta()
    plugin: str = ""
    config: JsonObject | None = None
    config_from: ConfigSource | None = None
    config_patches: tuple[ConfigPatch, ...] = ()
    disabled: bool = False
    protocols: tuple[str, ...] = ()
    instance_name: str = field(default="", name="instance_name")
    ordering: dict[str, Any] | None = None
    run_on: str = field(default="", name="run_on")
    consumer_ref: str = ""
    status: KongStatus | None = None


class KongClusterPlugin(Struct, frozen=True, rename="camel"):
    RESOURCE: ClassVar = Resource(GROUP, "v1", "kongclusterplugins", "KongClusterPlugin", False)

    metadata: ObjectMeta = ObjectMeta()
    plugin: str = ""
    config: JsonObject | None = None
    config_from: ConfigSource | None = None
    config_patches: tuple[ConfigPatch, ...] = ()
    disabled: bool = False
    protocols: tuple[str, ...] = ()
    instance_name: str = field(default="", name="instance_name")
    ordering: dict[str, Any] | None = None
    run_on: str = field(default="", name="run_on")
    consumer_ref: str = ""
    status: KongStatus | None = None

    @property
    def is_global(self) -> bool:
        """Applies to all requests, provided that the object also carries the gateway's class."""
        return self.metadata.labels.get("global", "").lower() == "true"


AnyKongPlugin = KongPlugin | KongClusterPlugin
