"""The schema here and the policy module's parser draw the same line, and no configuration makes either fail."""

from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.registry import PLUGINS, Accepted, Refused, judge_plugin
from crossfade.compile.policies.schema import apply_schema
from crossfade.policy_module import library
from tests.unit.compile.policies.configurations import configurations


@pytest.mark.parametrize("name", sorted(PLUGINS))
@given(data=st.data())
def test_what_the_schema_accepts_the_module_can_use(name: str, data: st.DataObject) -> None:
    plugin = PLUGINS[name]
    config = data.draw(configurations_of(name))
    verdict = judge_plugin(name, config)
    if apply_schema(plugin.schema, plugin.modernised(config)).problems:
        assert isinstance(verdict, Refused)
    elif is_text(config):
        assert isinstance(verdict, Accepted), verdict


@pytest.mark.parametrize("name", ["acl", "basic-auth", "cors", "ip-restriction"])
@given(data=st.data())
def test_what_the_module_can_use_the_schema_accepts(name: str, data: st.DataObject) -> None:
    config = data.draw(configurations_of(name))
    # Of the null in a required field the module knows nothing: it stands for the default, which the schema fills in.
    config = {field: value for field, value in config.items() if value is not None}
    if is_text(config) and library.problem("instance", as_instance(name, config)) is None:
        assert isinstance(judge_plugin(name, config), Accepted)


@cache
def configurations_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Made once: to make one costs more than to draw from it."""
    return configurations(PLUGINS[name].schema)


def is_text(config: dict[str, Any]) -> bool:
    """Without lone surrogates and numbers beyond 64 bits, which no message to the module can hold."""
    try:
        as_instance("", config)
    except (UnicodeError, msgspec.MsgspecError, OverflowError):
        return False
    return True


def as_instance(name: str, config: dict[str, Any]) -> str:
    return msgspec.json.encode({"id": "", "plugin": name, "config": config}).decode()
