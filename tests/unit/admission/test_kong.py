"""Admission of Kong's kinds: what is denied, in which words, and what passes with a warning."""

import base64
from typing import Any

import pytest

from crossfade.admission.kong import EMPTY, WITHOUT_EFFECT, Verdict, kong_handlers, verdict_on
from crossfade.admission.review import AdmissionRequest, review_from_answer
from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.plugin import (
    AnyKongPlugin,
    ConfigPatch,
    ConfigSource,
    KongClusterPlugin,
    KongPlugin,
    SecretKeyRef,
)
from crossfade.api.kong.vault import KongVault, KongVaultSpec
from crossfade.compile.policies.registry import PLUGINS
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject, ObjectMeta


def kong(kind: str, **fields: Any) -> JsonObject:
    return {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": kind,
        "metadata": {"name": "x", "namespace": "n"},
        **fields,
    }


def credential(kind: str | None, **data: str) -> JsonObject:
    labels = {} if kind is None else {"konghq.com/credential": kind}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "x", "namespace": "n", "labels": labels},
        "data": encoded,
    }


DENIED = [
    (kong("KongPlugin"), "plugin name cannot be empty"),
    (kong("KongPlugin", plugin="rate-limiting", config={"minute": "3"}), "config.minute: expected a number"),
    (kong("KongPlugin", plugin="rate-limiting", config=5), "expected `object"),
    (kong("KongClusterPlugin", plugin="nope"), "plugin 'nope' not enabled"),
    (kong("KongPlugin", plugin="key-auth", ordering={}), "schema violation (ordering: unknown field)"),
    (
        kong(
            "KongPlugin",
            plugin="key-auth",
            config={},
            configFrom={"secretKeyRef": {"name": "s", "key": "k"}},
        ),
        "Using both config and configFrom fields is not allowed.",
    ),
    (kong("KongConsumer"), "Need to provide either username or custom_id"),
    (kong("KongConsumer", username="taken"), "consumer already exists"),
    (kong("KongVault", spec={"backend": "aws", "prefix": "x1"}), "vault configuration in invalid: vault 'aws' is not"),
    (
        kong("KongVault", spec={"backend": "env", "prefix": "used", "config": {"prefix": "A_"}}),
        'spec.prefix "used" is duplicate with existing KongVault "older"',
    ),
    (credential("telepathy"), "consumer credential failed validation: invalid credential type telepathy"),
    (credential("basic-auth", username="u"), "missing required field(s): password"),
    (credential("key-auth", key=""), "some fields were invalid due to missing data: key"),
    (credential("key-auth", key="known"), "unique key constraint violated for key"),
    (
        kong("KongConsumer", username="new", credentials=["taken"], metadata={"name": "x", "namespace": "other"}),
        "consumer credential failed validation: unique key constraint violated for key",
    ),
    (
        kong("KongConsumer", username="new", credentials=["empty"], metadata={"name": "x", "namespace": "other"}),
        "consumer credential failed validation: missing required field(s): key",
    ),
    (
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "x", "namespace": "n", "annotations": {"konghq.com/protocols": "http,gopher"}},
        },
        "Ingress has invalid Kong annotations: invalid konghq.com/protocols value: gopher",
    ),
]

ALLOWED = [
    kong("KongPlugin", plugin="key-auth"),
    kong("KongPlugin", plugin="rate-limiting", config={"minute": 3, "policy": "local"}),
    kong("KongPlugin", plugin="key-auth", run_on="first", instance_name="keys", protocols=["https"], ordering=None),
    kong("KongConsumer", username="new"),
    kong("KongConsumerGroup"),
    kong("KongVault", spec={"backend": "env", "prefix": "new", "config": {"prefix": "A_"}}),
    kong("KongPlugin", plugin="request-termination", config={"message": "{vault://later/text}"}),
    credential("key-auth", key="new"),
    credential(None, anything="goes"),
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},
]


@pytest.fixture
def known() -> Snapshot:
    labels = {"konghq.com/credential": "key-auth"}
    return Snapshot.of(
        [
            KongConsumer(
                metadata=ObjectMeta(name="first", namespace="other"), username="taken", credentials=("first", "later")
            ),
            KongConsumer(metadata=ObjectMeta(name="second", namespace="n"), username="second", credentials=("x",)),
            KongVault(metadata=ObjectMeta(name="older"), spec=KongVaultSpec("env", "used", "", {"prefix": "A_"})),
            Secret(metadata=ObjectMeta(name="first", namespace="other", labels=labels), data={"key": b"known"}),
            Secret(metadata=ObjectMeta(name="taken", namespace="other", labels=labels), data={"key": b"known"}),
            Secret(metadata=ObjectMeta(name="empty", namespace="other", labels=labels), data={}),
        ]
    )


@pytest.mark.parametrize(("obj", "text"), DENIED)
def test_wrong_objects_are_denied(obj: JsonObject, text: str, known: Snapshot) -> None:
    assert text in verdict_on(obj, {}, known).denial


@pytest.mark.parametrize("obj", ALLOWED)
def test_right_objects_pass(obj: JsonObject, known: Snapshot) -> None:
    verdict = verdict_on(obj, {}, known)
    assert (verdict.denial, verdict.warnings) == ("", ())


def test_a_denial_names_field_and_allowed_values() -> None:
    wrong = kong("KongPlugin", plugin="rate-limiting", config={"minute": 1, "limit_by": "moon"})
    denial = verdict_on(wrong, {}).denial
    assert denial.startswith("plugin failed schema validation: schema violation (config.limit_by: expected one of: ")
    assert "consumer, credential, ip, service, header, path" in denial


def test_an_unknown_plugin_is_told_the_supported_ones() -> None:
    denial = verdict_on(kong("KongPlugin", plugin="nope"), {}).denial
    assert all(f" {name}" in denial for name in PLUGINS)


def test_fields_that_are_not_carried_out_are_told() -> None:
    verdict = verdict_on(kong("KongClusterPlugin", plugin="key-auth", consumerRef="bob", run_on="second"), {})
    assert verdict.denial == ""
    assert [text.partition(" ")[0] for text in verdict.warnings] == ["consumerRef", "run_on"]
    assert "; it runs for every consumer wherever it is attached; " in verdict.warnings[0]


def test_the_plugin_of_an_object_does_not_change() -> None:
    old = kong("KongPlugin", plugin="rate-limiting", config={"minute": 1})
    assert verdict_on(kong("KongPlugin", plugin="key-auth"), old).denial == "The plugin field is immutable"


def test_an_object_does_not_clash_with_itself(known: Snapshot) -> None:
    same = kong("KongConsumer", username="taken", metadata={"name": "first", "namespace": "other"})
    assert verdict_on(same, {}, known).denial == ""


def test_kongingress_is_never_denied() -> None:
    verdict = verdict_on(kong("KongIngress", route={"strip_path": True}, proxy={"retries": 1}, upstream={}), {})
    assert verdict.denial == ""
    assert [text.split("'")[1] for text in verdict.warnings] == ["proxy", "route", "upstream"]


def test_a_secret_that_is_not_there_yet_is_a_warning() -> None:
    verdict = verdict_on(kong("KongConsumer", username="u", credentials=["later"]), {})
    assert verdict.denial == ""
    assert verdict.warnings == ("consumer referenced non-existent credentials secret: later",)


@pytest.mark.parametrize("kind", sorted(WITHOUT_EFFECT))
def test_what_has_no_effect_says_so(kind: str) -> None:
    verdict = verdict_on(kong(kind, spec={}), {})
    assert verdict.denial == ""
    (warning,) = verdict.warnings
    assert warning.startswith(f"{kind} has no effect in this gateway: ")


def test_a_secret_of_nobody_may_hold_any_key(known: Snapshot) -> None:
    """Until a consumer refers to it."""
    unused = credential("key-auth", key="known")
    unused["metadata"]["name"] = "unused"
    assert verdict_on(unused, {}, known).denial == ""


PLUGIN_META = ObjectMeta(name="limit", namespace="n")
FROM_SECRET = KongPlugin(
    metadata=PLUGIN_META, plugin="rate-limiting", config_from=ConfigSource(SecretKeyRef("x", "config"))
)
PATCHED = KongClusterPlugin(
    metadata=ObjectMeta(name="wide"),
    plugin="rate-limiting",
    config={"hour": 100},
    config_patches=(ConfigPatch("/minute", ConfigSource(SecretKeyRef("x", "minute", "n"))),),
)


def plugin_secret(**data: str) -> JsonObject:
    secret = credential(None, **data)
    secret["metadata"]["labels"] = {"konghq.com/validate": "plugin"}
    return secret


@pytest.mark.parametrize(
    ("secret", "plugin", "denial"),
    [
        (plugin_secret(config="minute: 5"), FROM_SECRET, ""),
        (plugin_secret(config="minute: often"), FROM_SECRET, "KongPlugin n/limit: plugin failed schema validation: "),
        (
            plugin_secret(config="[]"),
            FROM_SECRET,
            "KongPlugin n/limit: could not load secret plugin configuration: key",
        ),
        (plugin_secret(other="minute: 5"), FROM_SECRET, "KongPlugin n/limit: could not load secret plugin"),
        (plugin_secret(minute="5"), PATCHED, ""),
        (plugin_secret(minute='"5"'), PATCHED, "KongClusterPlugin wide: plugin failed schema validation: "),
    ],
)
def test_a_secret_must_leave_its_plugins_right(secret: JsonObject, plugin: AnyKongPlugin, denial: str) -> None:
    found = verdict_on(secret, {}, Snapshot.of([plugin])).denial
    start = "Change on secret will generate invalid configuration for "
    assert found.startswith(start + denial) if denial else found == ""


def test_an_override_of_a_service_is_deprecated() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "n"}}
    assert verdict_on(service, {}) == Verdict()
    service["metadata"] = {"name": "x", "annotations": {"konghq.com/override": "tuned"}}
    (warning,) = verdict_on(service, {}).warnings
    assert warning.startswith("konghq.com/override is deprecated")


def test_the_username_of_an_update_is_not_looked_at_again(known: Snapshot) -> None:
    old = kong("KongConsumer", username="taken", metadata={"name": "third", "namespace": "other"})
    verdict = verdict_on({**old, "credentials": ["gone"]}, old, known)
    assert verdict.denial == ""
    assert verdict.warnings == ("consumer referenced non-existent credentials secret: gone",)


FOREIGN = [
    kong("KongConsumer"),
    kong("KongVault", spec={"backend": "aws", "prefix": "x1"}),
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "x", "namespace": "n", "annotations": {"konghq.com/protocols": "gopher"}},
        "spec": {"ingressClassName": "nginx"},
    },
]


@pytest.mark.parametrize("obj", FOREIGN, ids=[one["kind"] for one in FOREIGN])
async def test_objects_of_other_classes_are_not_judged(obj: JsonObject) -> None:
    """Whoever they are for says what is wrong with them."""
    handle = kong_handlers(lambda: EMPTY, "kong")["/"]
    assert (await handle(AdmissionRequest("1", obj["kind"], "CREATE", object=obj))).denial == ""
    ours = {**obj, "metadata": {**obj["metadata"]}, "spec": {**obj.get("spec", {}), "ingressClassName": "kong"}}
    ours["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), "kubernetes.io/ingress.class": "kong"}
    assert (await handle(AdmissionRequest("2", obj["kind"], "CREATE", object=ours))).denial


async def test_the_handler_answers_reviews() -> None:
    handle = kong_handlers(lambda: EMPTY, "kong")["/"]
    wrong = AdmissionRequest("1", "KongPlugin", "CREATE", object=kong("KongPlugin", plugin="nope"))
    answer = await handle(wrong)
    assert "nope" in answer.denial
    assert review_from_answer("1", answer)["response"]["status"] == {
        "status": "Failure",
        "message": answer.denial,
        "code": 400,
    }
    deleted = AdmissionRequest("2", "KongPlugin", "DELETE", old_object=kong("KongPlugin", plugin="nope"))
    assert (await handle(deleted)).denial == ""
