"""Vaults: what they find and where they do not look; what is said of those that cannot be used."""

from typing import Any

import pytest

from crossfade.api.kong.plugin import ConfigSource, KongPlugin, SecretKeyRef
from crossfade.api.kong.vault import KongVault, KongVaultSpec
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.plugin_instances import Protos, plugin_instances
from crossfade.compile.gateway.settings import CompileSettings, Environment
from crossfade.compile.gateway.vaults import Vaults, vault_problem, vaults_of
from crossfade.compile.memo import Memo
from crossfade.compile.policies import registry
from crossfade.compile.policies.plugin import ModuleStep, Plugin
from crossfade.compile.policies.references import UnresolvableError, parsed
from crossfade.compile.policies.schema import Field, Schema
from crossfade.kong_conf.settings import KongSettings
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject, NamespacedName, ObjectMeta
from crossfade_kube.registry import typed_ref

VARIABLES = {
    "SHOP_KEY": "of-the-shop",
    "SHOP_KEY_PREVIOUS": "of-old",
    "SHOP_PG": '{"password": "deep", "port": 5}',
    "HOME": "/root",
    "ALSO_KEY": "also",
}
CLASS = {"kubernetes.io/ingress.class": "kong"}
SECRET = Secret(metadata=ObjectMeta(name="pg", namespace="safe"), data={"password": b"s3cret\n", "raw": b"\xff"})


def vault(name: str, backend: str, at: str, /, *, created: str = "", **config: Any) -> KongVault:
    meta = ObjectMeta(name=name, annotations=CLASS, creation_timestamp=created)
    return KongVault(metadata=meta, spec=KongVaultSpec(backend=backend, prefix=at, config=config))


def made(*objects: Any, env_prefix: str = "") -> tuple[Vaults, Diagnostics]:
    settings = CompileSettings(environment=Environment(VARIABLES), kong=KongSettings(vault_env_prefix=env_prefix))
    snapshot, found = Snapshot.of(objects), Diagnostics()
    return vaults_of(snapshot, ClassFilter(snapshot, "kong"), settings, Memo(), found), found


def value(vaults: Vaults, text: str) -> str:
    """The value, or why there is none."""
    known = {SECRET.metadata.key: SECRET}
    try:
        return vaults.value(parsed(text), known.get)
    except UnresolvableError as problem:
        return f"! {problem}"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("{vault://shop/key}", "of-the-shop"),
        ("{vault://shop/key#2}", "of-old"),
        ("{vault://shop/pg/password}", "deep"),
        ("{vault://shop/pg/user}", "! subfield user not found in JSON secret"),
        ("{vault://shop/pg/port}", "! subfield port of the JSON secret is no string"),
        ("{vault://shop/key/part}", "! unable to json decode value"),
        ("{vault://shop/home}", "! environment variable SHOP_HOME of the controller is not set"),
        ("{vault://nobody/key}", "! could not find vault (nobody)"),
        ("{vault://env/home}", "! the vault env has no prefix; set one, or create a KongVault"),
        ("{vault://kube/pg/password}", "s3cret\n"),
        ("{vault://kube/pg}", "! which key of the Secret? Write {vault://kube/pg/KEY}"),
        ("{vault://kube/pg/user}", "! Secret safe/pg has no key user"),
        ("{vault://kube/pg/raw}", "! key raw of Secret safe/pg is no text"),
        ("{vault://kube/gone/key}", "! Secret safe/gone not found"),
        ("{vault://kube/pg/password#2}", "! Secrets have no former versions"),
    ],
)
def test_what_references_stand_for(reference: str, expected: str) -> None:
    vaults, found = made(vault("a", "env", "shop", prefix="SHOP-"), vault("b", "kubernetes", "kube", namespace="safe"))
    assert not found.has_any
    assert value(vaults, reference) == expected


def test_the_vault_env_itself_needs_a_prefix() -> None:
    vaults, _ = made(env_prefix="also_")
    assert value(vaults, "{vault://env/key}") == "also"
    assert value(vaults, "{vault://env/home}").startswith("! environment variable ALSO_HOME")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("aws", "x1", {}), "vault 'aws' is not installed"),
        (("env", "env", {"prefix": "A"}), "prefix: must not be one of: env"),
        (("env", "Shop", {"prefix": "A"}), "prefix: invalid value: Shop"),
        (("env", "s", {"prefix": "A"}), "prefix: invalid value: s"),
        (("env", "shop-", {"prefix": "A"}), "prefix: invalid value: shop-"),
        (("env", "shop", {}), "schema violation (config.prefix: required field missing)"),
        (("env", "shop", {"prefix": ""}), "schema violation (config.prefix: length must be at least 1)"),
        (("env", "shop", {"prefix": "A B"}), "schema violation (config.prefix: invalid value: A B)"),
        (("env", "shop", {"prefix": "A", "ttl": 1}), "schema violation (config.ttl: unknown field)"),
        (("kubernetes", "shop", {}), "schema violation (config.namespace: required field missing)"),
    ],
)
def test_what_is_no_vault(given: tuple[str, str, dict[str, Any]], problem: str) -> None:
    backend, prefix, config = given
    found = vault_problem(KongVaultSpec(backend, prefix, "", config))
    assert found is not None
    assert found.message == problem
    bad = vault("bad", backend, prefix, **config)
    vaults, diagnostics = made(bad)
    (told,) = diagnostics
    assert (told.ref, told.message) == (typed_ref(bad), problem)
    assert value(vaults, f"{{vault://{prefix}/key}}").startswith("! ")


def test_of_the_same_prefix_the_oldest_counts() -> None:
    young = vault("a", "env", "shop", created="2026-02-01T00:00:00Z", prefix="ALSO_")
    old = vault("b", "env", "shop", created="2026-01-01T00:00:00Z", prefix="SHOP_")
    vaults, found = made(young, old)
    assert value(vaults, "{vault://shop/key}") == "of-the-shop"
    (told,) = found
    assert (told.ref.name, told.message) == ("a", 'spec.prefix "shop" is duplicate')


def test_a_vault_of_another_class_is_none() -> None:
    vaults, found = made(
        KongVault(metadata=ObjectMeta(name="a"), spec=KongVaultSpec("env", "shop", "", {"prefix": "A"}))
    )
    assert value(vaults, "{vault://shop/key}") == "! could not find vault (shop)"
    assert not found.has_any


class Gateway:
    """A plugin with a referenceable field, judged over and over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def bad(text: str) -> str | None:
            return f"{text} is bad" if "\n" in text else None

        def plan(config: JsonObject) -> tuple[ModuleStep, ...]:
            return (ModuleStep({"message": config["message"]}),)

        message = Field("string", referenceable=True, check=bad)
        schema = Schema({"message": message, "body": Field("string")})
        plugin = Plugin("request-termination", 2, takes_consumer=True, schema=schema, plan=plan)
        monkeypatch.setitem(registry.PLUGINS, plugin.name, plugin)
        self._memo = Memo()

    def judged(self, *objects: Any) -> tuple[str | None, str]:
        """The message that the module gets, and what its author is told."""
        self._memo.begin()
        snapshot, found = Snapshot.of(objects), Diagnostics()
        classes = ClassFilter(snapshot, "kong")
        settings = CompileSettings(environment=Environment(VARIABLES))
        vaults = vaults_of(snapshot, classes, settings, self._memo, found)
        (instance,) = plugin_instances(snapshot, classes, vaults, {}, Protos({}, ""), self._memo, found).values()
        assert instance is not None
        told = "".join(f"{one}\n" for one in found)
        assert "s3cret" not in told + instance.trouble
        return instance.module_config and instance.module_config["message"], told


def test_a_plugin_follows_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(monkeypatch)
    kube = vault("kube", "kubernetes", "kube", namespace="safe")
    plugin = KongPlugin(
        metadata=ObjectMeta(name="p", namespace="shop"),
        plugin="request-termination",
        config={"message": "{vault://kube/pg/message}", "body": "{vault://kube/pg/body}"},
    )

    def secret(**data: bytes) -> Secret:
        return Secret(metadata=ObjectMeta(name="pg", namespace="safe"), data=data)

    message, told = gateway.judged(plugin)
    assert message is None
    assert "could not resolve {vault://kube/pg/message}: could not find vault (kube)" in told
    assert gateway.judged(plugin, kube)[0] is None
    message, told = gateway.judged(plugin, kube, secret(message=b"s3cret one"))
    assert message == "s3cret one"
    assert "{vault://kube/pg/body} stands where references are not resolved" in told
    assert gateway.judged(plugin, kube, secret(message=b"s3cret two"))[0] == "s3cret two"
    message, told = gateway.judged(plugin, kube, secret(message=b"s3cret\n"))
    assert message is None
    assert "cannot be used with what {vault://kube/pg/message} stand for" in told
    assert gateway.judged(plugin, kube, secret())[0] is None


def test_a_configuration_from_a_secret_may_refer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(monkeypatch)
    kube = vault("kube", "kubernetes", "kube", namespace="safe")
    plugin = KongPlugin(
        metadata=ObjectMeta(name="p", namespace="shop"),
        plugin="request-termination",
        config_from=ConfigSource(SecretKeyRef("config", "config")),
    )
    config = Secret(
        metadata=ObjectMeta(name="config", namespace="shop"), data={"config": b'message: "{vault://kube/pg/message}"'}
    )
    for text in (b"s3cret one", b"s3cret two"):
        behind = Secret(metadata=ObjectMeta(name="pg", namespace="safe"), data={"message": text})
        assert gateway.judged(plugin, kube, config, behind)[0] == text.decode()


def test_nothing_shows_the_environment() -> None:
    settings = CompileSettings(environment=Environment(VARIABLES))
    vaults, _ = made(vault("a", "env", "shop", prefix="SHOP_"))
    assert "of-the-shop" not in f"{settings}{settings.environment!r}{vaults!r}"


def test_whose_secret_a_reference_is_about() -> None:
    vaults, _ = made(vault("a", "env", "shop", prefix="SHOP_"), vault("b", "kubernetes", "kube", namespace="safe"))
    assert vaults.secret_of("{vault://kube/pg/x}") == NamespacedName("safe", "pg")
    assert [vaults.secret_of(f"{{vault://{rest}}}") for rest in ("shop/pg/x", "gone/pg/x", "")] == [None] * 3
