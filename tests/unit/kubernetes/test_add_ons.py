"""What others' programs are compiled with, and what is chosen of what happens with them."""

import pytest

from tests.kubernetes.add_ons import ADD_ONS, CERT_MANAGER, METRICS_SERVER, borrowed
from tests.kubernetes.authority import DISTURBANCES, chosen
from tests.kubernetes.autoscaled import autoscaler
from tests.kubernetes.certified import CERTIFIED, ENDS


def test_programs_are_compiled_with_what_their_makers_chose() -> None:
    own = "module github.com/cert-manager/cert-manager\n\ngo 1.19\n\nreplace a => b v1.0.0\n"
    assert borrowed(CERT_MANAGER, own).split("\n") == [
        "module crossfade/cert-manager",
        "",
        "go 1.19",
        "",
        "replace a => b v1.0.0",
        "",
        "require github.com/cert-manager/cert-manager v1.10.2",
        "",
    ]


def test_no_two_add_ons_share_an_image() -> None:
    images = [image for add_on in ADD_ONS for image in add_on.programs]
    assert len(images) == len(set(images)) == 1 + len(CERT_MANAGER.programs)
    assert METRICS_SERVER.namespace == "kube-system"


def test_the_autoscaler_is_the_charts() -> None:
    spec = autoscaler(7)["spec"]
    assert spec["scaleTargetRef"]["name"] == "kong-kong"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 3)
    assert [metric["resource"]["target"]["averageUtilization"] for metric in spec["metrics"]] == [7]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["leader"], ["leader deleted"]),
        (["rolled", "out", "gateway"], ["gateway rolled out, plugins checked"]),
        (["out,"], []),
        ([], [*DISTURBANCES]),
    ],
    ids=str,
)
def test_what_happens_is_chosen_by_words(words: list[str], names: list[str]) -> None:
    assert [*chosen(DISTURBANCES, words)] == names


def test_all_of_cert_manager_is_chosen_together() -> None:
    assert chosen(CERTIFIED, ["cert-manager"]) == CERTIFIED


def test_when_certificates_end_is_read() -> None:
    page = (
        "# TYPE crossfade_certificate_not_after_timestamp_seconds gauge\n"
        'crossfade_certificate_not_after_timestamp_seconds{name="a",namespace="b",purpose="webhook"} 1.8e+09\n'
    )
    assert ENDS.findall(page) == ["1.8e+09"]
