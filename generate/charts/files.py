"""All files of the charts, by their paths below `charts/`."""

import json
from pathlib import Path
from typing import Final

from crossfade import __version__
from crossfade.install.chart import Chart
from crossfade.install.gateway import gateway_crds
from crossfade.install.gateway_chart.chart import GATEWAY_CHART
from crossfade.install.mesh import mesh_crds
from crossfade.install.mesh_chart import MESH_CHART
from crossfade_kube.meta import JsonObject
from generate.charts.helpers import HELPERS
from generate.charts.remarks import notes, refusals
from generate.charts.templates import Writer, as_yaml
from generate.charts.values_file import values_file

FOLDER: Final = Path(__file__).resolve().parents[2] / "charts"
_MADE: Final = "# Made by `make charts` from crossfade.install.\n"
_IGNORED: Final = "*.tgz\n"


def all_files() -> dict[str, str]:
    return {
        f"{chart.name}/{path}": text
        for chart, crds in ((GATEWAY_CHART, gateway_crds()), (MESH_CHART, mesh_crds()))
        for path, text in chart_files(chart, crds).items()
    }


def chart_files(chart: Chart, crds: list[JsonObject]) -> dict[str, str]:
    writer = Writer(chart.table)
    objects = {**chart.objects, **{f"tests/{name}": node for name, node in chart.tests.items()}}
    templates = {f"templates/{name}": _MADE + writer.manifest(node) for name, node in objects.items()}
    return {
        "Chart.yaml": _MADE + as_yaml(_about(chart)),
        ".helmignore": _IGNORED,
        "values.yaml": _MADE + values_file(chart.table),
        "values.schema.json": json.dumps(chart.table.schema(), indent=2, ensure_ascii=False) + "\n",
        **{f"crds/{crd['spec']['names']['plural']}.yaml": _MADE + as_yaml(crd) for crd in crds},
        **templates,
        **writer.files,
        "templates/refused.yaml": refusals(chart.table.refused, writer),
        "templates/NOTES.txt": notes(chart, writer),
        "templates/_helpers.tpl": f"{HELPERS}\n{writer.definitions()}",
    }


def _about(chart: Chart) -> JsonObject:
    return {
        "apiVersion": "v2",
        "name": chart.name,
        "description": chart.description,
        "type": "application",
        "version": __version__,
        "appVersion": __version__,
        "kubeVersion": ">=1.25.0-0",
    }
