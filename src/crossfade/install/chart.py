"""A chart: its values and the objects that they make, one source for `crossfade install` and for Helm."""

from typing import Any

from msgspec import Struct

from crossfade import __version__
from crossfade.install.template.evaluate import Context, evaluate
from crossfade.install.template.nodes import ABSENT
from crossfade.install.template.values import ValueTable, refuse, said
from crossfade_kube.meta import JsonObject


class Chart(Struct, frozen=True):
    """`objects` by the names of their files, in the order in which they should be applied.

    `notes` are lines that Helm prints after an installation, as a template.
    """

    name: str
    description: str
    table: ValueTable
    objects: dict[str, Any]
    notes: tuple[str, ...] = ()

    def context(
        self,
        values: JsonObject,
        *,
        release: str,
        namespace: str,
        version: str = __version__,
        apis: frozenset[str] = frozenset(),
    ) -> Context:
        """With the values' defaults. Raises ValueError for values that the schema forbids."""
        return Context(self.table.complete(values), release, namespace, version, apis)

    def manifests(self, context: Context) -> list[JsonObject]:
        """Raises RefusedValuesError."""
        refuse(self.table, context)
        found = (evaluate(node, context) for node in self.objects.values())
        return [each for each in found if each is not ABSENT]

    def without_effect(self, context: Context) -> list[str]:
        return said(self.table.idle, context)
