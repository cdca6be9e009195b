from typing import Any

import pytest

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.api.appmesh.virtual_gateway import VirtualGatewaySpec
from crossfade.api.appmesh.virtual_node import VirtualNodeSpec
from crossfade.inject.decision import MODE_KEY, Candidates, InjectionDenied, Untouched, decide
from crossfade_kube.meta import LabelSelector, ObjectMeta


def node(name: str, **labels: str) -> VirtualNode:
    return VirtualNode(ObjectMeta(name=name, namespace="prod"), VirtualNodeSpec(pod_selector=LabelSelector(labels)))


def gateway(name: str, **labels: str) -> VirtualGateway:
    spec = VirtualGatewaySpec(pod_selector=LabelSelector(labels))
    return VirtualGateway(ObjectMeta(name=name, namespace="prod"), spec)


NONE = Candidates()
NODE = Candidates([node("jazz", app="jazz")])
NODES = Candidates([node("b", app="jazz"), node("a", app="jazz")])
GATEWAY = Candidates(gateways=[gateway("gw", app="jazz")])
GATEWAYS = Candidates(gateways=[gateway("b", app="jazz"), gateway("a", app="jazz")])
BOTH = Candidates([node("jazz", app="jazz")], [gateway("gw", app="jazz")])
UNTOUCHED = "untouched"

CASES = [
    ("enabled", None, NODE, "jazz"),
    ("ENABLED", None, NODE, "jazz"),
    ("enabled", None, GATEWAY, "gw"),
    ("enabled", None, NONE, "sidecarInject enabled but no matching VirtualNode or VirtualGateway found"),
    ("disabled", None, NODE, UNTOUCHED),
    ("disabled", None, NODES, UNTOUCHED),
    ("disabled", None, NONE, UNTOUCHED),
    ("other", None, NODE, "jazz"),
    ("other", None, NONE, UNTOUCHED),
    ("enabled", "disabled", NODE, UNTOUCHED),
    ("disabled", "enabled", NODE, "jazz"),
    ("enabled", None, NODES, "found multiple matching VirtualNodes for pod prod/jazz-1: a,b"),
    ("enabled", None, GATEWAYS, "found multiple matching VirtualGateways for pod prod/jazz-1: a,b"),
    (
        "enabled",
        None,
        BOTH,
        (
            "sidecarInject enabled for both virtualNode jazz and virtualGateway gw on pod jazz-1. "
            "Please use podSelector on one"
        ),
    ),
]


@pytest.mark.parametrize(("label", "annotation", "candidates", "outcome"), CASES)
def test_the_decision_table(label: str, annotation: str | None, candidates: Candidates, outcome: str) -> None:
    annotations = {MODE_KEY: annotation} if annotation else {}
    pod = {"metadata": {"name": "jazz-1", "labels": {"app": "jazz"}, "annotations": annotations}}
    assert outcome_of(pod, label, candidates) == outcome


def outcome_of(pod: dict[str, Any], label: str, candidates: Candidates) -> str:
    """The name of what the pod joins, or the denial."""
    try:
        found = decide(pod, "prod", namespace_labels={MODE_KEY: label}, candidates=candidates)
    except InjectionDenied as denial:
        return str(denial)
    return UNTOUCHED if isinstance(found, Untouched) else found.metadata.name


def test_an_absent_selector_selects_nothing_and_an_empty_one_everything() -> None:
    absent = VirtualNode(ObjectMeta(name="absent", namespace="prod"))
    pod = {"metadata": {"generateName": "jazz-"}}
    labels = {MODE_KEY: "enabled"}
    found = decide(pod, "prod", namespace_labels=labels, candidates=Candidates([absent, node("every")]))
    assert isinstance(found, VirtualNode)
    assert found.metadata.name == "every"
