"""Tables of objects, as `kubectl get` shows them."""

from datetime import datetime

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.conversion import to_storage
from crossfade_local.apiserver.printers.custom import custom_printer
from crossfade_local.apiserver.printers.kinds import CREATED_AT, PRINTERS
from crossfade_local.apiserver.printers.pods import pod_row_conditions

__all__ = ["table"]


def table(
    kind: tuple[str, str, str] | list[JsonObject], items: list[JsonObject], now: datetime
) -> dict[str, list[JsonObject]]:
    """`{columnDefinitions, rows}`; rows have `cells` (and `conditions`), in the order of the items.

    `kind` is (group, version, kind) of a built-in kind, or the `additionalPrinterColumns` of a custom one.
    """
    if isinstance(kind, list):
        printer = custom_printer(kind)
    else:
        printer = PRINTERS.get((kind[0], kind[2])) or PRINTERS.get(("networking.k8s.io", kind[2])) or CREATED_AT
        # Columns speak of the stored form: an old Ingress has the fields of a new one there.
        items = [to_storage(kind, item) for item in items]
    is_pod = not isinstance(kind, list) and (kind[0], kind[2]) == ("", "Pod")
    rows = []
    for item in items:
        row: JsonObject = {"cells": printer.cells(item, now)}
        if is_pod and (conditions := pod_row_conditions(item)):
            row["conditions"] = conditions
        rows.append(row)
    return {"columnDefinitions": [column.definition() for column in printer.columns], "rows": rows}
