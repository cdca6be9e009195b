"""Configurations out of objects and Secrets: whatever stands there, values as JSON has them or a ConfigError."""

import msgspec
import pytest

from crossfade.api.kong.plugin import ConfigPatch, ConfigSource, KongPlugin, SecretKeyRef
from crossfade.compile.gateway.plugin_config import ConfigError, plugin_config
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject, ObjectMeta
from tests.support.hostile_plugins import POINTERS
from tests.support.hostile_secrets import CONFIG_TEXTS, LAUGHS, PATCH_TEXTS

META = ObjectMeta(name="limit", namespace="shop")
SOURCE = ConfigSource(SecretKeyRef("config", "text"))


def snapshot(text: str) -> Snapshot:
    return Snapshot.of([Secret(ObjectMeta(name="config", namespace="shop"), data={"text": text.encode()})])


def from_secret(text: str) -> JsonObject:
    return plugin_config(KongPlugin(META, "rate-limiting", config_from=SOURCE), snapshot(text))


def patched(config: JsonObject, path: str, text: str) -> JsonObject:
    return plugin_config(KongPlugin(META, "x", config, config_patches=(ConfigPatch(path, SOURCE),)), snapshot(text))


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("minute: 5", {"minute": 5}),
        ('{"a": [1, null, true, "x"]}', {"a": [1, None, True, "x"]}),
        ("2: 2\ntrue: 3\n1.5: 4", {"2": 2, "true": 3, "1.5": 4}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_yaml_becomes_json(text: str, config: JsonObject) -> None:
    assert from_secret(text) == config


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("minute: .nan", "infinite or none"),
        ("minute: .inf", "infinite or none"),
        ("minute: 1" + "0" * 400, "more than 64 bits"),
        ("minute: " + "9" * 5000, "nor valid YAML"),
        ("minute: 2026-01-01", "of type date"),
        ("minute: 2026-99-99", "nor valid YAML"),
        ("minute: !!binary aGk=", "of type bytes"),
        ("null: 1", "key is of type NoneType"),
        ("a: &a [*a]", "a value holds itself"),
        (LAUGHS, "aliases stand for more than"),
        ("a: &a [" + "1, " * 60_000 + "1]", "more than 50000 values"),
        ("a: " + "[" * 70 + "]" * 70, "levels deep"),
        ("a: " + "[" * 3000 + "]" * 3000, "levels deep"),
        ("[" * 5000, "levels deep"),
        ('a: "\\ud800"', "nor valid YAML"),
        ("- a", "neither valid JSON nor valid YAML"),
    ],
    ids=range(16),
)
def test_what_json_does_not_have_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        from_secret(text)


@pytest.mark.parametrize("text", CONFIG_TEXTS + PATCH_TEXTS, ids=range(len(CONFIG_TEXTS + PATCH_TEXTS)))
def test_every_text_gives_json_or_a_reason(text: str) -> None:
    for make in (lambda: from_secret(text), lambda: patched({"a": 1}, "/b", text)):
        try:
            config = make()
        except ConfigError:
            continue
        assert msgspec.json.decode(msgspec.json.encode(config)) == config


@pytest.mark.parametrize("path", POINTERS, ids=range(len(POINTERS)))
def test_every_path_gives_a_configuration_or_a_reason(path: str) -> None:
    config = {"minute": 5, "key_names": ["a", "b"], "redis": {"host": "x"}}
    try:
        found = patched(config, path, '{"new": 1}')
    except ConfigError:
        found = {"new": 1}
    assert '"new":1' in msgspec.json.encode(found).decode()
    assert config == {"minute": 5, "key_names": ["a", "b"], "redis": {"host": "x"}}


def test_an_object_nested_too_deep_is_refused() -> None:
    config: JsonObject = {}
    for _ in range(5000):
        config = {"a": config}
    with pytest.raises(ConfigError, match="levels deep"):
        plugin_config(KongPlugin(META, "x", config), snapshot(""))
