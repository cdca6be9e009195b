"""All pages of docs/reference."""

from pathlib import Path
from typing import Final

from crossfade.install.gateway_chart.chart import GATEWAY_CHART
from crossfade.install.mesh_chart import MESH_CHART
from generate.reference.chart_values import chart_values_page
from generate.reference.controller_settings import controller_settings_page
from generate.reference.lost_requests import lost_requests_page
from generate.reference.mesh_settings import mesh_settings_page
from generate.reference.plugin_pages import in_order, index_page, plugin_page
from generate.reference.proxy_statistics import proxy_statistics_page
from generate.reference.settings import settings_page
from generate.reference.supported import supported_page

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"
_NOTE: Final = "<!-- Made by `make docs`; what it says comes from the code and the READMEs of the plugins. -->\n"


def pages() -> dict[str, str]:
    """Text by path below the folder."""
    made = {
        "supported.md": supported_page(),
        "kong-settings.md": settings_page(),
        "mesh-settings.md": mesh_settings_page(),
        "controller-settings.md": controller_settings_page(),
        **{f"values-{chart.name}.md": chart_values_page(chart) for chart in (GATEWAY_CHART, MESH_CHART)},
        "proxy-statistics.md": proxy_statistics_page(),
        "lost-requests.md": lost_requests_page(),
        "plugins/README.md": index_page(),
        **{f"plugins/{plugin.name}.md": plugin_page(plugin) for plugin in in_order()},
    }
    return {name: _NOTE + text for name, text in made.items()}
