"""Which program an image stands for."""

import os
from pathlib import Path

import pytest

from crossfade_local.catalogue import Catalogue, CatalogueError, find_image, parse_images

IMAGES = parse_images(
    """
- {match: "registry.example/shop/*:v2", argv: [/bin/shop, --two]}
- {match: "nginx", argv: [nginx], env: {A: b}, workdir: /srv, user: 101}
- {match: "*", argv: [sleep, infinity]}
""",
    source="test",
)


@pytest.mark.parametrize(
    ("reference", "program"),
    [
        ("registry.example/shop/cart:v2", "/bin/shop"),
        ("registry.example/shop/cart:v3", "sleep"),
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("nginx@sha256:0123", "nginx"),
        ("localhost:5000/nginx:1", "sleep"),
    ],
)
def test_first_match_wins(reference: str, program: str) -> None:
    found = find_image(IMAGES, reference)
    assert found
    assert found.argv[0] == program


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- {argv: [a]}", "match"),
        ("- {match: a}", "argv"),
        ("- {match: a, argv: []}", "empty argv"),
        ("- {match: a, argv: [b], comand: [c]}", "comand"),
        ("- {match: a, argv: b}", "argv"),
        ("{", "expected"),
    ],
)
def test_mistakes_are_named(text: str, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        parse_images(text, source="test")


def test_entries_added_later_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "images.yaml"
    file.write_text("[]")
    catalogue = Catalogue(file)
    assert catalogue.find("nginx:1") is None
    assert str(file) in catalogue.how_to_add("nginx:1")
    assert 'match: "nginx:*"' in catalogue.how_to_add("nginx:1")
    file.write_text("- {match: 'nginx:*', argv: [nginx]}")
    os.utime(file, ns=(1, 1))
    assert catalogue.find("nginx:1")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No such file"):
        Catalogue(tmp_path / "images.yaml")
