"""Diagnostics quote users, in measure."""

import pytest

from crossfade.compile.diagnostics import Diagnostics
from crossfade_kube.meta import ObjectRef

REF = ObjectRef("v1", "Service", "shop", "one")


def test_long_quotations_are_cut_in_the_middle() -> None:
    found = Diagnostics()
    found.error(REF, "a", f"path {'x' * 1_000_000} cannot be used", effect="e", field="f" * 20_000)
    (item,) = found
    assert item.message.startswith("path xxx")
    assert item.message.endswith("xxx cannot be used")
    assert len(str(item)) < 1400


def test_others_stay_as_they_are() -> None:
    found = Diagnostics()
    found.warning(REF, "a", "x" * 600)
    assert [item.message for item in found] == ["x" * 600]


def test_what_steers_terminals_is_spelled_out() -> None:
    found = Diagnostics()
    found.warning(REF, "a", "café \x1b[31m\r\nforged \u202e \ud800", field="a\x00", hint="remove \t")
    (item,) = found
    assert item.message == "café \\x1b[31m\\r\\nforged \\u202e \\ud800"
    assert (item.field, item.hint) == ("a\\x00", "remove \\t")


@pytest.mark.parametrize(
    ("field", "message", "said"),
    [
        ("", "it is empty", "it is empty"),
        ("spec.slots", "300 is too large", "spec.slots: 300 is too large"),
        ("spec.slots", "spec.slots must be small", "spec.slots must be small"),
        ("config", "violation (config.hour: no number)", "violation (config.hour: no number)"),
        (
            "metadata.annotations[konghq.com/protocols]",
            "annotation konghq.com/protocols is 'x'",
            "annotation konghq.com/protocols is 'x'",
        ),
        ("metadata.annotations[a/b]", "it is odd", "metadata.annotations[a/b]: it is odd"),
    ],
)
def test_a_message_is_placed_once(field: str, message: str, said: str) -> None:
    found = Diagnostics()
    found.error(REF, "a", message, effect="e", field=field)
    assert [one.placed_message for one in found] == [said]
