"""The product's images in an embedded cluster."""

from pathlib import Path

import pytest

from crossfade.images.built_in import SHARED_USER, built_in_images
from crossfade_local.catalogue import find_image
from crossfade_local.preflight import Mode


@pytest.mark.parametrize(
    "reference",
    [
        "crossfade/controller:0.1.0",
        "crossfade/proxy:x",
        "crossfade/proxy-init:x",
        "crossfade/djapp:v1",
        "1.dkr/hello-world:v1.0",
    ],
)
def test_built_in_images_exist(reference: str) -> None:
    found = find_image(built_in_images(), reference)
    assert found
    assert Path(found.argv[0]).exists()


def test_scripts_of_images_exist() -> None:
    scripts = [Path(image.argv[-1]) for image in built_in_images() if image.argv[-1].endswith(".py")]
    assert scripts
    assert all(script.is_file() for script in scripts)


def test_one_user_for_all_is_explained() -> None:
    assert Mode.SINGLE_UID.explain(SHARED_USER) == (
        "running rootless with a single uid: containers share one user, and the mesh knows its proxies by socket mark; "
        "a container that relies on runAsUser 1337 to bypass the mesh will not (install the package uidmap for that)"
    )
