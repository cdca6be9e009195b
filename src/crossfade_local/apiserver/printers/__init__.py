"""Tables of objects, as `kubectl get` shows them."""

from collections.abc import Sequence
from datetime import datetime

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.conversion import to_storage
from crossfade_local.apiserver.printers.custom import custom_printer
from crossfade_local.apiserver.printers.kinds import CREATED_AT, PRINTERS
from crossfade_local.apiserver.printers.pods import pod_row_conditions

__all__ = ["Table"]


class Table:
    """Of one list, whose rows may be asked for in parts.

    `kind` is (group, version, kind) of a built-in kind, or the `additionalPrinterColumns` of a custom one.
    """

    def __init__(self, kind: tuple[str, str, str] | list[JsonObject], now: datetime) -> None:
        self._kind = kind
        self._now = now
        if isinstance(kind, list):
            self._printer = custom_printer(kind)
        else:
            self._printer = (
                PRINTERS.get((kind[0], kind[2])) or PRINTERS.get(("networking.k8s.io", kind[2])) or CREATED_AT
            )

    def columns(self) -> list[JsonObject]:
        return [column.definition() for column in self._printer.columns]

    def rows(self, items: Sequence[JsonObject]) -> list[JsonObject]:
        """With `cells` (and `conditions`), in the order of the items."""
        kind = self._kind
        # Columns speak of the stored form: an old Ingress has the fields of a new one there.
        stored = items if isinstance(kind, list) else [to_storage(kind, item) for item in items]
        is_pod = not isinstance(kind, list) and (kind[0], kind[2]) == ("", "Pod")
        rows = []
        for item in stored:
            row: JsonObject = {"cells": self._printer.cells(item, self._now)}
            if is_pod and (conditions := pod_row_conditions(item)):
                row["conditions"] = conditions
            rows.append(row)
        return rows
