"""Asks Envoy about many proxies at once: one start of a tenth of a second for a few dozen of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from crossfade.compile.model import AccessLog, Cluster, HttpHandler, Listener, ProxyModel
from crossfade.compile.routing.routes import Destination, RouteTable
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.validate import InvalidConfigurationError, validate

_FIRST_PORT: Final = 1024
_NAMED: Final = {
    Cluster: "name",
    Destination: "cluster",
    HttpHandler: "route_table",
    Listener: "name",
    RouteTable: "name",
}


def refusals(models: Sequence[ProxyModel], options: EnvoyOptions, *, workdir: Path) -> dict[int, str]:
    """Index of each model that Envoy refuses, with Envoy's words, or those of the encoding."""
    if not models or (refusal := _refusal(models, options, workdir)) is None:
        return {}
    if len(models) == 1:
        return {0: refusal}
    middle = len(models) // 2
    first = refusals(models[:middle], options, workdir=workdir)
    second = refusals(models[middle:], options, workdir=workdir)
    return first | {middle + index: text for index, text in second.items()}


def _refusal(models: Sequence[ProxyModel], options: EnvoyOptions, workdir: Path) -> str | None:
    try:
        validate(_merged(models, options), workdir=workdir)
    except InvalidConfigurationError as refusal:
        return str(refusal)
    except ValueError as exc:
        return f"not encoded: {exc}"
    return None


def _merged(models: Sequence[ProxyModel], options: EnvoyOptions) -> ResourceSet:
    parts = [_apart(model, f"{index}:") for index, model in enumerate(models)]
    listeners = [listener for part in parts for listener in part.listeners]
    whole = ProxyModel(
        listeners=tuple(
            structs.replace(listener, port=_FIRST_PORT + index) for index, listener in enumerate(listeners)
        ),
        route_tables=tuple(table for part in parts for table in part.route_tables),
        clusters=tuple(cluster for part in parts for cluster in part.clusters),
    )
    return resources_from_model(whole, options=options)


def _apart(value: Any, prefix: str) -> Any:
    """The same with other names for what Envoy knows by name."""
    if isinstance(value, tuple):
        return tuple(_apart(item, prefix) for item in value)
    if not isinstance(value, msgspec.Struct):
        return value
    changed = {name: _apart(getattr(value, name), prefix) for name in value.__struct_fields__}
    if isinstance(value, AccessLog):
        # Envoy opens it, and whether it can is a matter of the pod's file system.
        changed["path"] = "/dev/null"
    if named := _NAMED.get(type(value)):
        changed[named] = prefix + changed[named]
    return type(value)(**changed)
