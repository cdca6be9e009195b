"""A plugin object → its configuration: given inline, taken from a Secret, or patched from Secrets (kong.md §1.3)."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from crossfade.api.kong.plugin import AnyKongPlugin, ConfigPatch, SecretKeyRef
from crossfade.compile.gateway.plain_values import NotPlainError, from_json, from_yaml, plain
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject

# RFC 6901; no list is longer.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)


class ConfigError(Exception):
    """The configuration cannot be put together; the text names the Secret and key, never a value."""


def plugin_config(plugin: AnyKongPlugin, snapshot: Snapshot) -> JsonObject:
    """Raises ConfigError."""
    if plugin.config is not None and plugin.config_from is not None:
        raise ConfigError("Using both config and configFrom fields is not allowed.")
    if plugin.config_from is not None and plugin.config_patches:
        raise ConfigError("Using both configFrom and configPatches fields is not allowed.")
    if plugin.config_from is not None:
        return _from_secret(plugin, plugin.config_from.secret_key_ref, snapshot)
    config = _plain(plugin.config or {}, "config")
    for patch in plugin.config_patches:
        config = _patched(config, patch, _patch_value(plugin, patch, snapshot))
    if plugin.config_patches:
        config = _plain(config, "the patched configuration")
    if not isinstance(config, dict):
        raise ConfigError("the patched configuration is not an object")
    return config


def secrets_of(plugin: AnyKongPlugin, snapshot: Snapshot) -> tuple[Secret | None, ...]:
    """Those that the configuration is taken from; None for one that does not exist."""
    if plugin.config_from is None and not plugin.config_patches:
        return ()
    sources = [plugin.config_from] if plugin.config_from else []
    refs = [source.secret_key_ref for source in (*sources, *(patch.value_from for patch in plugin.config_patches))]
    return tuple(snapshot.get(Secret, _namespace(plugin, ref), ref.name) for ref in refs)


def secret_texts_of(plugin: AnyKongPlugin, secrets: Iterable[Secret]) -> Iterator[str]:
    """What the configuration may take from these Secrets."""
    whole = [plugin.config_from] if plugin.config_from else []
    keys = {source.secret_key_ref.key for source in (*whole, *(patch.value_from for patch in plugin.config_patches))}
    for secret in secrets:
        yield from (value.decode("utf-8", "replace") for key, value in secret.data.items() if key in keys)


def _from_secret(plugin: AnyKongPlugin, ref: SecretKeyRef, snapshot: Snapshot) -> JsonObject:
    text = _secret_text(plugin, ref, snapshot)
    where = (
        f"key '{ref.key}' in secret '{_namespace(plugin, ref)}/{ref.name}' contains neither valid JSON nor valid YAML)"
    )
    try:
        config = from_yaml(text)
    except NotPlainError as error:
        raise ConfigError(_with_reason(where, error)) from None
    if not isinstance(config, dict):
        raise ConfigError(where)
    return config


def _with_reason(text: str, error: NotPlainError) -> str:
    return f"{text}: {error}" if str(error) else text


def _plain(config: Any, name: str) -> Any:
    try:
        return plain(config)
    except NotPlainError as error:
        raise ConfigError(f"{name} cannot be used: {error}") from None


def _patch_value(plugin: AnyKongPlugin, patch: ConfigPatch, snapshot: Snapshot) -> Any:
    ref = patch.value_from.secret_key_ref
    try:
        return from_json(_secret_text(plugin, ref, snapshot))
    except NotPlainError as error:
        where = f"{_namespace(plugin, ref)}/{ref.name}"
        text = f"key '{ref.key}' in secret '{where}' is not JSON, as configPatches need it"
        raise ConfigError(_with_reason(text, error)) from None


def _secret_text(plugin: AnyKongPlugin, ref: SecretKeyRef, snapshot: Snapshot) -> str:
    namespace = _namespace(plugin, ref)
    secret = snapshot.get(Secret, namespace, ref.name)
    if secret is None:
        raise ConfigError(f"error fetching plugin configuration secret '{namespace}/{ref.name}': not found")
    if ref.key not in secret.data:
        raise ConfigError(f"no key '{ref.key}' in secret '{namespace}/{ref.name}'")
    return secret.data[ref.key].decode("utf-8", "replace")


def _namespace(plugin: AnyKongPlugin, ref: SecretKeyRef) -> str:
    """A KongPlugin reads Secrets of its own namespace only."""
    return plugin.metadata.namespace or ref.namespace


def _patched(config: Any, patch: ConfigPatch, value: Any) -> Any:
    """JSON Patch's `add`, which also makes missing parents; an empty path replaces everything."""
    if not patch.path:
        return value
    steps = [step.replace("~1", "/").replace("~0", "~") for step in patch.path.removeprefix("/").split("/")]
    place = config
    for step in steps[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else _element(place, step, patch)
    if isinstance(place, dict):
        place[steps[-1]] = value
    elif isinstance(place, list) and steps[-1] == "-":
        place.append(value)
    elif isinstance(place, list) and _INDEX.fullmatch(steps[-1]) and int(steps[-1]) <= len(place):
        place.insert(int(steps[-1]), value)
    else:
        raise ConfigError(f"configPatches path {patch.path} points into a value that is no object")
    return config


def _element(place: Any, step: str, patch: ConfigPatch) -> Any:
    if isinstance(place, list) and _INDEX.fullmatch(step) and int(step) < len(place):
        return place[int(step)]
    raise ConfigError(f"configPatches path {patch.path} points to nothing")
