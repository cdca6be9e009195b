"""docs/reference is what `make docs` makes, and says something of everything that is read."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from generate.reference import field_notes
from generate.reference.definition_fields import fields_of
from generate.reference.kinds import APP_MESH, KONG, KUBERNETES, KubernetesKind, schema_of
from generate.reference.markdown import table
from generate.reference.pages import FOLDER, pages
from generate.reference.plugin_fields import rows, values
from generate.reference.readme import read
from generate.reference.supported import fields_by_effect

import crossfade
from crossfade.api.kong.upstream import UpstreamEntity
from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.compile.policies.schema import Field
from crossfade.controller.mesh.role import KINDS as MESH_KINDS
from crossfade_kube.meta import ObjectMeta

OWN_KINDS = (*KONG, *APP_MESH)
# Of a pod that is admitted all is there; what is watched of pods has no spec.
BY_INJECTION = {"spec.hostNetwork"}
# Fields that are looked at under another name than their own: by `getattr`, by the listener's protocol.
READ_BY_NAME = {
    *("tcp", "http", "http2", "grpc", "retries", "connect_timeout", "read_timeout"),
    *("http_failures", "tcp_failures", "timeouts"),
    *UpstreamEntity.__struct_fields__,
}
ROOMS = ("compile", "admission", "status", "inject", "controller")


def test_the_committed_pages_are_those_of_now() -> None:
    committed = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*") if path.is_file()}
    made = pages()
    assert committed.keys() == made.keys(), "run `make docs`"
    for name, text in made.items():
        assert committed[name] == text, f"docs/reference/{name} is stale: run `make docs`"


def test_every_kind_that_is_read_has_its_section() -> None:
    text = pages()["supported.md"]
    missing = {
        kind.RESOURCE.kind for kind in (*INPUT_KINDS, *MESH_KINDS) if f"\n### {kind.RESOURCE.kind}\n" not in text
    }
    assert missing == set()


@pytest.mark.parametrize("kind", OWN_KINDS, ids=lambda kind: kind.__name__)
def test_a_field_that_nothing_holds_has_a_reason(kind: Any) -> None:
    effective, _ = fields_by_effect(kind)
    assert [field.path for field in effective if field.attribute is None] == []


@pytest.mark.parametrize("kind", OWN_KINDS, ids=lambda kind: kind.__name__)
def test_a_field_that_nothing_reads_has_a_reason(kind: Any) -> None:
    effective, _ = fields_by_effect(kind)
    read_somewhere = attributes_read() | READ_BY_NAME
    assert [field.path for field in effective if field.attribute not in read_somewhere] == []


@pytest.mark.parametrize("notes", [field_notes.NO_EFFECT, field_notes.MEANING], ids=["no effect", "meaning"])
def test_every_note_is_about_a_field(notes: dict[str, dict[str, str]]) -> None:
    used = {
        text
        for kind in OWN_KINDS
        for field in fields_of(kind, schema_of(kind), lambda path, kind=kind: is_told(kind, path))
        for text in (field_notes.first_of(notes, kind.RESOURCE.kind, field.path),)
    }
    assert {text for by_pattern in notes.values() for text in by_pattern.values()} <= used


@pytest.mark.parametrize("one", KUBERNETES, ids=lambda one: one.kind.__name__)
def test_fields_of_kubernetes_kinds_exist(one: KubernetesKind) -> None:
    existing = set(paths_of(one.kind))
    assert {*one.fields, *one.refused} <= existing | BY_INJECTION | {"metadata.labels", "metadata.annotations"}


def test_values_are_told_in_words() -> None:
    port = Field("integer", default=6379, between=(0, 2147483646))
    schema = {
        "names": Field("array", ["a", "b"], required=True, elements=Field("string", one_of=("a", "b"))),
        "redis": Field("record", fields={"port": port}),
        "limit": Field("number", required=True, greater_than=0),
    }
    told = [(row.path, row.type, row.is_required, row.default, row.values) for row in rows(schema)]
    assert told == [
        ("names", "array of strings", False, "`a`, `b`", "each: `a`, `b`"),
        ("redis", "record", False, "", ""),
        ("redis.port", "integer", False, "`6379`", "0 to 2147483646"),
        ("limit", "number", True, "", "greater than 0"),
    ]


def test_a_check_without_words_is_no_page() -> None:
    def unheard_of(value: str) -> str | None:
        return value

    with pytest.raises(LookupError, match="unheard_of"):
        values(Field("string", check=unheard_of))


def test_a_readme_is_taken_apart() -> None:
    readme = read(
        "# acl\n\nLets pass (kong.md §5.7).\n\n- `schema.py`: the\n  schema.\n- `plan.py`: more.\n\nRuns late.\n\n"
        "## Fields\n\nAll lists.\n\n- `allow`, `deny`: groups\n  of consumers.\n- `hide`: hides.\n\nNothing else.\n\n"
        "## Answers\n\n- 403\n"
    )
    assert (readme.title, readme.lead) == ("acl", "Lets pass.\n\nRuns late.")
    assert readme.notes == {"allow": "groups of consumers.", "deny": "groups of consumers.", "hide": "hides."}
    assert (readme.before_fields, readme.after_fields) == ("All lists.", "Nothing else.")
    assert readme.sections == (("Answers", "- 403\n"),)
    assert readme.covers("allow.names")
    assert not readme.covers("allowed")


def test_columns_without_a_word_are_left_out() -> None:
    assert table(("a", "b"), [("x|y", ""), ("z", "")]) == "| a |\n| --- |\n| x\\|y |\n| z |\n"


def is_told(kind: Any, path: str) -> bool:
    return field_notes.reason(kind.RESOURCE.kind, path) is not None


@cache
def attributes_read() -> set[str]:
    """Names behind a dot in the code that decides."""
    root = Path(crossfade.__file__).parent
    modules = [path for room in ROOMS for path in (root / room).rglob("*.py")]
    modules += list((root / "api").rglob("*.py"))
    trees = [ast.parse(path.read_text()) for path in modules]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def paths_of(kind: Any, prefix: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        yield (path := f"{prefix}{field.encode_name}")
        for inner in structs_in(field.type):
            yield from paths_of(inner[0], f"{path}{inner[1]}.")


def structs_in(hint: Any) -> Iterator[tuple[Any, str]]:
    """The structs that a field holds, each with what a path gets for going into a list."""
    arguments = getattr(hint, "__args__", ())
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint is not ObjectMeta:
        yield hint, ""
    suffix = "[]" if getattr(hint, "__origin__", None) is tuple else ""
    for argument in arguments:
        for found, inside in structs_in(argument):
            yield found, suffix + inside
