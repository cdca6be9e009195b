"""Alert rules for Prometheus' operator and dashboards for Grafana's sidecar, out of examples/prometheus."""

from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from crossfade.install.template.nodes import (
    NAMESPACE,
    All,
    AnyOf,
    FileItems,
    FileText,
    Given,
    HasApi,
    Merged,
    Value,
    When,
    first_of,
)
from crossfade.install.template.values import ANNOTATIONS, BOOLEAN, TEXT, Schema, ValueSpec, named
from crossfade.shipped import examples_root
from crossfade_kube.meta import JsonObject

Part = Literal["gateway", "mesh", "control-plane"]
OPERATOR_API: Final = "monitoring.coreos.com/v1"
_CONTROL_PLANE: Final = "control-plane"
_RULES: Final = All(
    (
        Value("prometheusRule.enabled"),
        AnyOf((Value("prometheusRule.trustCRDsExist"), HasApi(f"{OPERATOR_API}/PrometheusRule"))),
    )
)


def monitoring_values(labels: Schema) -> tuple[ValueSpec, ...]:
    of_all = "Whether those of controllers are among them; of several releases one needs them."
    rules = named(
        "prometheusRule.",
        ("enabled", False, BOOLEAN, "Alerts as a PrometheusRule, where the cluster knows the kind."),
        ("trustCRDsExist", False, BOOLEAN, "Make it without asking the cluster, for `helm template`."),
        ("controlPlane", True, BOOLEAN, of_all),
        ("labels", {}, labels, "Labels that a Prometheus chooses it by."),
    )
    dashboards = named(
        "dashboards.",
        ("enabled", False, BOOLEAN, "Dashboards in a ConfigMap, which Grafana's sidecar finds."),
        ("controlPlane", True, BOOLEAN, of_all),
        ("namespace", "", TEXT, "Where the sidecar looks; empty: the release's."),
        ("labels", {"grafana_dashboard": "1"}, labels, "Labels that the sidecar chooses it by."),
        ("annotations", {}, ANNOTATIONS, "Such as the folder in Grafana."),
    )
    return (*rules, *dashboards)


def monitoring_manifests(part: Part, name: Any, name_of_dashboards: Any, labels: Merged) -> dict[str, Any]:
    """`labels` of all objects; `name_of_dashboards` is one of a namespace that others share."""
    rule_labels, board_labels = (
        Merged(labels.fixed, (*labels.more, Given(f"{values}.labels"))) for values in ("prometheusRule", "dashboards")
    )
    rules = {
        "apiVersion": OPERATOR_API,
        "kind": "PrometheusRule",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": rule_labels},
        "spec": {"groups": [_rules(part), When(Value("prometheusRule.controlPlane"), _rules(_CONTROL_PLANE))]},
    }
    dashboards = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of_dashboards,
            "namespace": first_of(Value("dashboards.namespace"), NAMESPACE),
            "labels": board_labels,
            "annotations": Given("dashboards.annotations"),
        },
        "data": _dashboards(part),
    }
    return {
        "prometheus-rule.yaml": When(_RULES, rules),
        "dashboards.yaml": When(Value("dashboards.enabled"), dashboards),
    }


def _dashboards(part: Part) -> JsonObject:
    """Under names that files of one folder may have, whatever else is there."""
    return {
        f"crossfade-{part}.json": _dashboard(part),
        f"crossfade-{_CONTROL_PLANE}.json": When(Value("dashboards.controlPlane"), _dashboard(_CONTROL_PLANE)),
    }


def _dashboard(part: Part) -> FileText:
    return FileText(f"dashboards/{part}.json", partial(_read, f"dashboards/{part}.json"))


def _rules(part: Part) -> FileItems:
    return FileItems(f"rules/{part}.yaml", partial(_groups, f"crossfade-{part}"))


def _groups(name: str) -> list[JsonObject]:
    groups: list[JsonObject] = yaml.safe_load(_read("alerts.yaml"))["groups"]
    return [group for group in groups if group["name"] == name]


def _read(name: str) -> str:
    return Path(examples_root(), "examples", "prometheus", name).read_text("utf-8")
