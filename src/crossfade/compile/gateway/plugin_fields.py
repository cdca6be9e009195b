"""Fields of plugin objects that say more than Kong does with them, and what their author should know (kong.md §1.3)."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from crossfade.api.kong.plugin import AnyKongPlugin, KongClusterPlugin
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS, is_for_http
from crossfade.compile.policies.registry import PLUGINS

_HERE: Final = "first"
_ANYWHERE: Final = "all"
_GLOBAL: Final = "global"


class Unheeded(Struct, frozen=True):
    """For a diagnostic or a warning of admission; `code` and `field` as in `Diagnostic`."""

    code: str
    field: str
    message: str
    effect: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message}; {self.effect}; {self.hint}"


def unheeded_fields(item: AnyKongPlugin) -> Iterator[Unheeded]:
    """What holds wherever the plugin is attached."""
    yield from _unheeded_label(item)
    if item.consumer_ref:
        yield Unheeded(
            "plugin.consumer-ref",
            "consumerRef",
            f"consumerRef {item.consumer_ref} does not limit the plugin to a consumer",
            "it runs for every consumer wherever it is attached",
            "name the plugin in the annotation konghq.com/plugins of the KongConsumer and remove the field",
        )
    if item.run_on not in ("", _HERE, _ANYWHERE):
        yield Unheeded(
            "plugin.run-on",
            "run_on",
            f"run_on {item.run_on} means a Kong behind another Kong, which there is not",
            "the plugin runs here, on every request of its routes",
            "take the plugin away from the routes, or remove the field",
        )
    plugin = PLUGINS.get(item.plugin)
    if not is_for_http(item.protocols) and not (plugin is not None and plugin.counts_sessions):
        yield Unheeded(
            "plugin.streams-only",
            "protocols",
            f"protocols {', '.join(item.protocols)} are those of streams, on which this plugin does not run here",
            "the plugin runs on no request either",
            f"add those of {', '.join(HTTP_PROTOCOLS)} that it is for",
        )


def _unheeded_label(item: AnyKongPlugin) -> Iterator[Unheeded]:
    given = item.metadata.labels.get(_GLOBAL)
    if given is None or (isinstance(item, KongClusterPlugin) and given.lower() in ("true", "false")):
        return
    is_cluster_wide = isinstance(item, KongClusterPlugin)
    yield Unheeded(
        "plugin.global-label",
        f"metadata.labels.{_GLOBAL}",
        f"label {_GLOBAL} is {given!r}, neither true nor false"
        if is_cluster_wide
        else f"label {_GLOBAL} means nothing on a KongPlugin",
        "the plugin runs only where an annotation names it",
        'write "true" or "false"' if is_cluster_wide else "make it a KongClusterPlugin, or remove the label",
    )
