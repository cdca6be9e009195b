"""The charts in the repository are what the generator makes, and it writes no template that it cannot vouch for."""

from typing import Any

import pytest
from generate.charts.files import FOLDER, all_files
from generate.charts.templates import ENVIRONMENT, Writer, plain

from crossfade.install.gateway_chart.chart import GATEWAY_CHART
from crossfade.install.mesh_chart import MESH_CHART
from crossfade.install.template.nodes import (
    Each,
    Environment,
    FileItems,
    FileText,
    FirstOf,
    Given,
    Item,
    Joined,
    Largest,
    Merged,
    More,
    Named,
    Not,
    Sum,
    Value,
    When,
    Words,
    text,
)
from crossfade.install.template.values import BOOLEAN, LIST, OBJECT, PORT, TEXT, ValueSpec, ValueTable, optional

TABLE = ValueTable(
    (
        ValueSpec("name", "", TEXT, ""),
        ValueSpec("on", False, BOOLEAN, ""),
        ValueSpec("port", 80, PORT, ""),
        ValueSpec("other", None, optional(PORT), ""),
        ValueSpec("share", None, {"type": ["string", "integer"]}, ""),
        ValueSpec("map", {}, OBJECT, ""),
        ValueSpec("list", [], LIST, ""),
    )
)
SOURCE = '(dict "value" .Values.map "prefix" "K_" "only" list "without" (list "x"))'
CALL = f'include "{ENVIRONMENT}" (dict "variables" $variables "more" (list {SOURCE}))'
NAMED = Named("a.name", text("x-", Value("name")))


def test_the_charts_are_current() -> None:
    """`make charts` makes them so."""
    found = {str(path.relative_to(FOLDER)): path.read_text("utf-8") for path in FOLDER.rglob("*") if path.is_file()}
    assert found == all_files()


@pytest.mark.parametrize("chart", [GATEWAY_CHART, MESH_CHART], ids=lambda chart: chart.name)
def test_every_value_says_what_it_is(chart: Any) -> None:
    paths = [spec.path for spec in chart.table.specs]
    assert len(paths) == len(set(paths))
    for spec in chart.table.specs:
        assert spec.about.endswith("."), spec.path
    chart.table.complete({})


@pytest.mark.parametrize(
    ("node", "lines"),
    [
        (text("x-", Value("name")), ['f: {{ printf "x-%v" .Values.name | quote }}']),
        (Value("name"), ["f: {{ .Values.name | quote }}"]),
        (Value("port"), ["f: {{ .Values.port | toJson }}"]),
        (FirstOf((Value("other"), Value("port"))), ["f: {{ coalesce .Values.other .Values.port | toJson }}"]),
        (Given("share"), ["{{- with .Values.share }}", "f: {{ . | toJson }}", "{{- end }}"]),
        (Value("map"), ["f:", "  {{- toYaml .Values.map | nindent 2 }}"]),
        (Given("list"), ["{{- with .Values.list }}", "f:", "  {{- toYaml . | nindent 2 }}", "{{- end }}"]),
        (When(Not(Value("on")), 1, "two"), ["{{- if not .Values.on }}", "f: 1", "{{- else }}", "f: two", "{{- end }}"]),
        (Sum((Largest((1, Value("port"))), 2)), ["f: {{ add (max 1 .Values.port) 2 | toJson }}"]),
        (
            Merged({"a": "yes"}, (Given("map"),)),
            ["f:", '  a: "yes"', "  {{- with .Values.map }}", "  {{- toYaml . | nindent 2 }}", "  {{- end }}"],
        ),
        (
            [Each(Value("list"), {"name": Item(), "port": Item("p")}), Given("list"), When(Value("on"), (1, {}))],
            [
                "f:",
                "  {{- range .Values.list }}",
                "  - name: {{ . | toJson }}",
                "    port: {{ .p | toJson }}",
                "  {{- end }}",
                "  {{- with .Values.list }}",
                "  {{- toYaml . | nindent 2 }}",
                "  {{- end }}",
                "  {{- if .Values.on }}",
                "  - 1",
                "  - {}",
                "  {{- end }}",
            ],
        ),
        (FileText("a.txt", lambda: "{{ a }}\n"), ["f: |", '  {{- .Files.Get "a.txt" | trim | nindent 2 }}']),
        (
            [FileItems("a.yaml", lambda: ["{{ a }}"]), When(Value("on"), FileItems("b.yaml", lambda: [1]))],
            [
                "f:",
                '  {{- .Files.Get "a.yaml" | trim | nindent 2 }}',
                "  {{- if .Values.on }}",
                '  {{- .Files.Get "b.yaml" | trim | nindent 2 }}',
                "  {{- end }}",
            ],
        ),
        (
            Environment(
                {"B": NAMED, "A": Given("name")}, (More(Value("map"), "K_", without=("x",)),), ({"name": "C"},)
            ),
            [
                "f:",
                "  {{- $variables := dict }}",
                "  {{- if .Values.name }}",
                '  {{- $_ := set $variables "A" .Values.name }}',
                "  {{- end }}",
                '  {{- $_ := set $variables "B" (include "a.name" .) }}',
                f"  {{{{- {CALL} | nindent 2 }}}}",
                "  - name: C",
            ],
        ),
    ],
    ids=lambda one: type(one).__name__,
)
def test_how_nodes_are_written(node: Any, lines: list[str]) -> None:
    assert Writer(TABLE).manifest({"f": node}).splitlines() == lines


def test_templates_with_names_are_written_once() -> None:
    writer = Writer(TABLE)
    writer.manifest({"a": NAMED, "b": Joined(",", (NAMED, Words(Value("list")), When(Value("on"), "x")))})
    assert writer.definitions() == '{{- define "a.name" -}}\n{{- printf "x-%v" .Values.name }}\n{{- end }}\n'


def test_a_whole_object_may_be_left_out() -> None:
    assert Writer(TABLE).manifest(When(Value("on"), {"a": 1})) == "{{- if .Values.on }}\na: 1\n{{- end }}\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [("web", "web"), ("yes", '"yes"'), ("1", '"1"'), ("a: b", '"a: b"'), ("-x", '"-x"'), ("ä", '"ä"'), ("", '""')],
)
def test_texts_stay_texts(value: str, written: str) -> None:
    assert plain(value) == written


def test_files_are_written_as_they_are() -> None:
    writer = Writer(TABLE)
    items = [{"say": "{{ $value }}", "expr": "a\nor b\n"}]
    writer.manifest({"f": FileText("a.json", lambda: "{\n}\n"), "g": [FileItems("b.yaml", lambda: items)]})
    written = "- say: '{{ $value }}'\n  expr: |\n    a\n    or b\n"
    assert writer.files == {"a.json": "{\n}\n", "b.yaml": written}


@pytest.mark.parametrize("content", ["", " a\n", "\na\n", "a", "a\n\n", "a \n"])
def test_files_that_a_block_would_change_are_not_written(content: str) -> None:
    with pytest.raises(ValueError, match="begin at the margin"):
        Writer(TABLE).manifest({"f": FileText("a", lambda: content)})


def test_what_would_be_an_action_is_not_written() -> None:
    with pytest.raises(ValueError, match="action of a template"):
        plain("{{ .Values }}")
    with pytest.raises(ValueError, match="must always be there"):
        Writer(TABLE).manifest({"f": [{"a": Given("name")}]})
