"""What the charts say of values that do not exist here."""

import json
from collections.abc import Iterable, Iterator

from crossfade.install.chart import Chart
from crossfade.install.template.values import Remark
from generate.charts.templates import Writer


def refusals(remarks: Iterable[Remark], writer: Writer) -> str:
    """A template without an object, which fails with all that is refused."""
    lines = [
        "{{- /* Made by `make charts` from crossfade.install. */}}",
        "{{- $refused := list }}",
        *_appended("$refused", remarks, writer),
        "{{- if $refused }}",
        '{{- fail (printf "\\n%s" (join "\\n" $refused)) }}',
        "{{- end }}",
    ]
    return "".join(f"{line}\n" for line in lines)


def notes(chart: Chart, writer: Writer) -> str:
    lines = [
        f"{{{{ .Chart.Name }}}} {{{{ .Chart.AppVersion }}}}: {chart.description}.",
        "",
        *chart.notes,
        *(
            f"{{{{- if {writer.condition(remark.applies)} }}}}\n{{{{ {json.dumps(remark.message)} }}}}\n{{{{- end }}}}"
            for remark in chart.table.idle
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _appended(name: str, remarks: Iterable[Remark], writer: Writer) -> Iterator[str]:
    for remark in remarks:
        yield f"{{{{- if {writer.condition(remark.applies)} }}}}"
        yield f"{{{{- {name} = append {name} {json.dumps(remark.message)} }}}}"
        yield "{{- end }}"
