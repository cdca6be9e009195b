"""The pages on the values of the charts, from the tables that make the charts."""

import json

from crossfade.install.chart import Chart
from generate.reference.markdown import code, page, table

_INTRODUCTION = """\
# Values of charts/{name}

As `values.yaml` has them. [How to install with Helm](../how-to/install-with-helm.md)."""


def chart_values_page(chart: Chart) -> str:
    return page(
        _INTRODUCTION.format(name=chart.name),
        "## With an effect",
        table(
            ("value", "default", "effect"),
            [(code(one.path), _default(one.default), one.about) for one in chart.table.specs],
        ),
        "## Refused",
        "In Kong's or App Mesh's charts there are these too; an installation that asks for them ends with the reason.",
        table(("value", "reason"), [(code(one.path), one.reason) for one in chart.table.refused]),
        "## Without effect",
        table(
            ("value", "reason"),
            [(code(one.path), one.reason.removeprefix("has no effect: ")) for one in chart.table.idle],
        ),
    )


def _default(value: object) -> str:
    return "" if value in (None, "") else code(value if isinstance(value, str) else json.dumps(value))
