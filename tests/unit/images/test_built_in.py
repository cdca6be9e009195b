"""The product's images in an embedded cluster."""

from pathlib import Path

import pytest

from crossfade.images.built_in import SHARED_USER, built_in_images
from crossfade_local.catalogue import find_image
from crossfade_local.preflight import Mode
from crossfade_local.subordinate_ids import Lack


@pytest.mark.parametrize(
    "reference",
    [
        "crossfade/controller:0.1.0",
        "crossfade/proxy:x",
        "crossfade/proxy-init:x",
        "crossfade/djapp:v1",
        "1.dkr/hello-world:v1.0",
        "kong:2.1",
        "kong:3.9",
        "docker.io/library/kong:3.9",
        "kong/kong-gateway:3.9",
        "840364872350.dkr.ecr.us-west-2.amazonaws.com/amazon/appmesh-controller:v1.13.3",
        "840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy:v1.29.12.3-prod",
        "840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-proxy-route-manager:v7-prod",
    ],
)
def test_built_in_images_exist(reference: str) -> None:
    found = find_image(built_in_images(), reference)
    assert found
    assert Path(found.argv[0]).exists()


@pytest.mark.parametrize(
    ("reference", "compat"),
    [
        ("kong-docker-kubernetes-ingress-controller.bintray.io/kong-ingress-controller:1.0", "kong-2.1"),
        ("kong/kubernetes-ingress-controller:1.3", "kong-2.1"),
        ("kong/kubernetes-ingress-controller:2.12", None),
        ("kong/kubernetes-ingress-controller:3.5", None),
        ("docker.io/kong/kubernetes-ingress-controller:3.5.1", None),
    ],
)
def test_an_old_controller_answers_as_the_kong_of_its_time(reference: str, compat: str | None) -> None:
    found = find_image(built_in_images(), reference)
    assert found
    assert found.env.get("CROSSFADE_COMPAT") == compat
    assert found.argv[-2:] == ("--role", "gateway")


@pytest.mark.parametrize("reference", ["kong/kong-gateway-operator:1", "shop/kong-plugins:1", "kongregate:1"])
def test_other_images_are_left_alone(reference: str) -> None:
    assert find_image(built_in_images(), reference) is None


def test_scripts_of_images_exist() -> None:
    scripts = [Path(image.argv[-1]) for image in built_in_images() if image.argv[-1].endswith(".py")]
    assert scripts
    assert all(script.is_file() for script in scripts)


def test_one_user_for_all_is_explained() -> None:
    assert Mode.SINGLE_UID.explain(SHARED_USER, Lack("newuidmap is not installed", "sudo apt-get install uidmap")) == (
        "running rootless with a single uid: containers share one user, and the mesh knows its proxies by socket mark; "
        "a container that relies on runAsUser 1337 to bypass the mesh will not, but for those of crossfade itself "
        "(newuidmap is not installed: sudo apt-get install uidmap)"
    )
