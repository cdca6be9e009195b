"""References to secrets: what they name, where they are resolved, and that nothing else changes."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.references import Reference, UnresolvableError, parsed, references_in, resolved
from crossfade.compile.policies.schema import Field, Schema, apply_schema, is_reference

FIELDS = {
    "password": Field("string", referenceable=True, check=lambda _: "never right"),
    "plain": Field("string"),
    "headers": Field("array", elements=Field("string", referenceable=True)),
    "redis": Field("record", fields={"password": Field("string", referenceable=True), "host": Field("string")}),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{vault://env/key}", ("env", "key", None, 1)),
        ("{vault://env/my-key#2}", ("env", "my-key", None, 2)),
        ("{vault://my-vault/pg/password}", ("my-vault", "pg", "password", 1)),
        ("{vault://v/a/b/c}", ("v", "a/b", "c", 1)),
        ("{vault://v/tls%20x/tls.crt}", ("v", "tls x", "tls.crt", 1)),
    ],
)
def test_what_a_reference_names(text: str, expected: tuple[str, str, str | None, int]) -> None:
    vault, resource, key, version = expected
    assert parsed(text) == Reference(text, vault, resource, key, version)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{vault:///key}", "it names no vault or no secret"),
        ("{vault://env/}", "it names no vault or no secret"),
        ("{vault://env}", "it names no vault or no secret"),
        ("{vault://env/key?prefix=SSL_}", "options are those of the vault; a reference has none"),
        ("{vault://env/key#3}", "the version behind # is 1 or 2"),
        ("{vault://[env/key}", "it is not a URL"),
    ],
)
def test_what_names_nothing(text: str, problem: str) -> None:
    assert is_reference(text)
    with pytest.raises(UnresolvableError) as raised:
        parsed(text)
    assert str(raised.value) == problem


def test_fields_that_take_references_get_values() -> None:
    config = {
        "password": "{vault://v/a}",
        "plain": "{vault://v/b}",
        "headers": ["{vault://v/c}", "x", 1],
        "redis": {"password": "{vault://v/a}", "host": "h", "odd": "{vault://v/e}"},
        "unknown": {"deep": ["{vault://v/d}"]},
    }
    found = resolved(FIELDS, config, lambda reference: f"value of {reference.resource}")
    assert found.config == {
        **config,
        "password": "value of a",
        "headers": ["value of c", "x", 1],
        "redis": {"password": "value of a", "host": "h", "odd": "{vault://v/e}"},
    }
    assert found.used == ("{vault://v/a}", "{vault://v/c}")
    assert found.others == ("{vault://v/b}", "{vault://v/d}", "{vault://v/e}")
    assert "value of" not in repr(found)


def test_a_reference_without_value_is_named() -> None:
    def nothing(_: Reference) -> str:
        raise UnresolvableError("there is none")

    with pytest.raises(UnresolvableError) as raised:
        resolved(FIELDS, {"redis": {"password": "{vault://v/a}"}}, nothing)
    assert str(raised.value) == "could not resolve {vault://v/a}: there is none"


def test_an_unresolved_reference_is_not_checked_as_a_value() -> None:
    schema = Schema(FIELDS)
    assert apply_schema(schema, {"password": "{vault://v/a}"}).problems == {}
    assert apply_schema(schema, {"password": "secret"}).problems == {"password": "never right"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("{vault://v/a}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "x"]), JSON))
def test_any_configuration_can_be_looked_through(config: dict[str, Any]) -> None:
    found = resolved(FIELDS, config, lambda _: "value")
    assert len(found.used) + len(found.others) == len(set(references_in(config)))
    if not found.used:
        assert found.config == config


@given(st.text())
def test_any_text_is_a_reference_or_not(text: str) -> None:
    for candidate in (text, f"{{vault://{text}}}"):
        if is_reference(candidate):
            with suppress(UnresolvableError):
                assert parsed(candidate).vault
