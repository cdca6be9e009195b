"""Which program an image stands for."""

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.catalogue import Catalogue, CatalogueError, Image, choose, find_image, parse_images, user_of

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
        ("- {match: a, argv: [b], user: -1}", "user"),
        ("- {match: a, argv: [b], user: 4294967295}", "user"),
        ("- {match: a, argv: [b], user: ''}", "user"),
        ("- {match: a, argv: [b], programs: {/c: []}}", "program '/c'"),
        ("- {match: a, argv: [b], programs: {c/d: [e]}}", "program 'c/d'"),
        ("- {match: a, argv: [b], programs: {/../d: [e]}}", "program '/../d'"),
        ("- {match: a, argv: [b], programs: {/: [e]}}", "program '/'"),
        ("- {match: a, argv: [b], programs: {'': [e]}}", "program ''"),
        ("{", "expected"),
    ],
)
def test_mistakes_are_named(text: str, complaint: str) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        parse_images(text, source="test")


@pytest.mark.parametrize("user", [0, 65534])
def test_a_users_number_is_the_groups_too(user: int) -> None:
    assert user_of(Image(match="a", argv=("b",), user=user)) == (user, user)


def test_a_users_name_is_looked_up_on_this_machine() -> None:
    for account in pwd.getpwall():
        found = user_of(Image(match="a", argv=("b",), user=account.pw_name))
        assert found == pwd.getpwnam(account.pw_name)[2:4]


def test_an_unknown_user_is_named_with_the_entry() -> None:
    with pytest.raises(CatalogueError, match=r'"shop/\*" has the user "nobdy".*number'):
        user_of(Image(match="shop/*", argv=("b",), user="nobdy"))


BUILT_IN = parse_images(
    "- {match: 'crossfade/proxy:*', argv: [proxy]}\n- {match: '*/hello:*', argv: [hello]}", source=""
)


@pytest.mark.parametrize(
    ("pattern", "reference", "program"),
    [
        ("*", "nginx", "mine"),
        ("*", "crossfade/proxy:1", "proxy"),
        ("cross*", "crossfade/proxy:1", "proxy"),
        ("crossfade/*", "crossfade/proxy:1", "proxy"),
        ("crossfade/proxy:*", "crossfade/proxy:1", "mine"),
        ("crossfade/proxy:2", "crossfade/proxy:2", "mine"),
        ("*", "shop/hello:1", "mine"),
        ("shop/*", "shop/hello:1", "mine"),
        ("shop/*", "bank/hello:1", "hello"),
    ],
)
def test_a_file_replaces_what_it_names_as_closely(tmp_path: Path, pattern: str, reference: str, program: str) -> None:
    file = tmp_path / "images.yaml"
    file.write_text(f"- {{match: '{pattern}', argv: [mine]}}")
    found = Catalogue(file, BUILT_IN).find(reference)
    assert found
    assert found.argv == (program,)


@given(
    wildcard=st.sampled_from("*?["), rest=st.text(), reference=st.sampled_from(["crossfade/proxy:1", "crossfade/proxy"])
)
def test_no_pattern_that_begins_with_a_wildcard_takes_the_clusters_own_images(
    wildcard: str, rest: str, reference: str
) -> None:
    mine = Image(match=wildcard + rest, argv=("mine",))
    built_in = Image(match="crossfade/proxy*", argv=("proxy",))
    assert choose(find_image([mine], reference), find_image([built_in], reference)) == built_in


def test_entries_added_later_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "images.yaml"
    file.write_text("[]")
    catalogue = Catalogue(file)
    assert catalogue.find("nginx:1") is None
    assert str(file) in catalogue.how_to_add("nginx:1")
    file.write_text("- {match: 'nginx:*', argv: [nginx]}")
    os.utime(file, ns=(1, 1))
    assert catalogue.find("nginx:1")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No such file"):
        Catalogue(tmp_path / "images.yaml")


@pytest.mark.parametrize(
    "reference", ["nginx", "nginx:1", "shop.example:5000/team/cart", "shop.example:5000/team/cart:v1", "a@sha256:00"]
)
def test_the_entry_that_is_proposed_matches_the_image(tmp_path: Path, reference: str) -> None:
    proposed = Catalogue(None).how_to_add(reference).partition("for example ")[2]
    file = tmp_path / "images.yaml"
    file.write_text(f"- {proposed}")
    assert Catalogue(file).find(reference)
