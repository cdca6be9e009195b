import pytest

from crossfade_local.apiserver.state.selectors import (
    FieldSelector,
    LabelSelector,
    SelectorError,
    selector_from_struct,
)


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("", "web db none"),
        ("env=prod", "web"),
        ("env==prod", "web"),
        ("env!=prod", "db none"),
        ("env in (prod, test)", "web db"),
        ("env notin (prod)", "db none"),
        ("tier", "web"),
        ("!tier", "db none"),
        ("env=test,!tier", "db"),
        ("size>3", "db"),
        ("size<3", "web"),
        ("in in (x)", ""),
        ("env in ()", ""),
        ("empty=", "none"),
    ],
)
def test_labels(text: str, matching: str) -> None:
    objects = {
        "web": {"env": "prod", "tier": "web", "size": "2"},
        "db": {"env": "test", "size": "10"},
        "none": {"empty": ""},
    }
    selector = LabelSelector.parse(text)
    assert [name for name, labels in objects.items() if selector.matches({"metadata": {"labels": labels}})] == (
        matching.split()
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env in prod", "unable to parse requirement: found 'prod' expected: '('"),
        ("env=a b", "found 'b', expected: ',' or 'end of string'"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a,,b", "found ',', expected: identifier after ','"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a (b)", "unable to parse requirement: found '(', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a>x", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("-a=b", 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist'),
        ("a=-b", 'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label'),
    ],
)
def test_bad_label_selectors(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        LabelSelector.parse(text)
    assert message in str(caught.value)


def test_structs() -> None:
    selector = selector_from_struct(
        {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["x"]}]}
    )
    assert selector is not None
    assert selector.matches_labels({"a": "1"})
    assert not selector.matches_labels({"a": "1", "b": "x"})
    assert str(selector) == "a=1,b notin (x)"
    assert selector_from_struct(None) is None


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=p", True),
        ("metadata.name==p,status.phase!=Running", True),
        ("status.phase=Running", False),
        ("spec.nodeName=", True),
        ("spec.hostNetwork=false", True),
        ("metadata.namespace!=x", True),
    ],
)
def test_fields(text: str, matches: bool) -> None:
    pod = {"metadata": {"name": "p", "namespace": "n"}, "spec": {}, "status": {"phase": "Pending"}}
    assert FieldSelector.parse(text, ("", "Pod")).matches(pod) is matches


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("spec.hostname=x", ("", "Pod"), "field label not supported: spec.hostname"),
        (
            "data.a=b",
            ("", "ConfigMap"),
            '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("what", ("", "Pod"), "invalid selector: 'what'; can't understand 'what'"),
        ("metadata.name=a\\x", ("", "Pod"), "invalid field selector: invalid escape sequence: \\x"),
    ],
)
def test_bad_field_selectors(text: str, kind: tuple[str, str], message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        FieldSelector.parse(text, kind)
    assert str(caught.value) == message


def test_custom_resources_offer_what_their_definition_says() -> None:
    selector = FieldSelector.parse("spec.colour=red", ("g", "K"), custom=True, selectable=("spec.colour",))
    assert selector.matches({"spec": {"colour": "red"}})
    with pytest.raises(SelectorError, match="field label not supported"):
        FieldSelector.parse("spec.shape=x", ("g", "K"), custom=True, selectable=("spec.colour",))


def test_commas_can_be_escaped() -> None:
    assert FieldSelector.parse("metadata.name=a\\,b").required_value("metadata.name") == "a,b"
