"""Plugins as Kong's ingress controller would create them: one entity for each place of attachment (kong.md §4.3)."""

import re
from collections.abc import Iterator
from typing import Any, Final

from crossfade.admin_api.tags import tags_of, times
from crossfade.compile.gateway.compiler import KongEntities
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.route_policies import Instance
from crossfade.compile.policies.registry import PLUGINS
from crossfade.compile.policies.schema import apply_schema

Json = dict[str, Any]

_REFERENCES: Final = ("route", "service", "consumer", "consumer_group")
_HIDDEN: Final = "***"
_SECRET: Final = re.compile(r"(.*_)?(password|passphrase|secret|token|private_key|api_key|key|key_id)", re.IGNORECASE)


def plugin_entities(entities: KongEntities) -> Iterator[Json]:
    """Those that are accepted."""
    seen: set[str] = set()
    for place, instance in _places(entities):
        if instance.accepted is None:
            continue
        identity = entity_id("plugin", f"{instance.id}/{'/'.join(f'{kind}/{one}' for kind, one in place.items())}")
        if identity not in seen:
            seen.add(identity)
            yield _plugin(identity, instance, place, entities)


def _places(entities: KongEntities) -> Iterator[tuple[dict[str, str], Instance]]:
    plugins = entities.plugins
    for route, service in entities.placed:
        for attached in plugins.of_route(route):
            yield {"route": route.id}, attached.instance
        for attached in plugins.of_service(service):
            yield {"service": service.id}, attached.instance
    for consumer, carried in plugins.of_consumers():
        for instance in carried:
            if instance.ref not in plugins.used_by_traffic:
                yield {"consumer": consumer.id}, instance
    for group, carried in plugins.of_groups():
        for instance in carried:
            if instance.ref not in plugins.used_by_traffic:
                yield {"consumer_group": group.id}, instance
    for attached in plugins.of_all:
        yield {}, attached.instance


def _plugin(identity: str, instance: Instance, place: dict[str, str], entities: KongEntities) -> Json:
    references = {kind: {"id": place[kind]} if kind in place else None for kind in _REFERENCES}
    return {
        "id": identity,
        "name": instance.plugin,
        "instance_name": None,
        "enabled": True,
        **references,
        "protocols": list(instance.protocols) or ["grpc", "grpcs", "http", "https"],
        "config": _config(instance, entities),
        "ordering": None,
        "tags": tags_of(instance.ref),
        **times(""),
    }


def _config(instance: Instance, entities: KongEntities) -> Json:
    """With defaults. What comes from a Secret is hidden as a whole, else what is called like one."""
    written = entities.plugins.written(instance.ref)
    if written is None:
        return {}
    if written.config_from is not None or written.config_patches:
        return {"*": _HIDDEN}
    plugin = PLUGINS[instance.plugin]
    filled = apply_schema(plugin.schema, plugin.modernised(written.config or {})).config
    found: Json = hidden(filled)
    return found


def hidden(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: hidden(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, str) and value and _SECRET.fullmatch(name):
        return _HIDDEN
    if isinstance(value, list | tuple):
        return [hidden(inner, name) for inner in value]
    return value
