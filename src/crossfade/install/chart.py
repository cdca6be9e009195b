"""A chart: its values and the objects that they make, one source for `crossfade install` and for Helm."""

from typing import Any

from msgspec import Struct

from crossfade import __version__
from crossfade.install.template.evaluate import Context, evaluate
from crossfade.install.template.nodes import ABSENT
from crossfade.install.template.values import RESTRICTED, ValueTable, refuse, said
from crossfade_kube.meta import JsonObject


def release_test(metadata: JsonObject, image: Any, urls: list[Any], **of_pod: Any) -> JsonObject:
    """A pod that fails unless all the URLs answer; `image` is the controller's."""
    hook = {"helm.sh/hook": "test", "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "annotations": {**hook, "appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            **of_pod,
            "containers": [
                {
                    "name": "test",
                    "image": image,
                    "args": ["reach", *urls],
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                    "securityContext": RESTRICTED,
                }
            ],
        },
    }


class Chart(Struct, frozen=True):
    """`objects` by the names of their files, in the order in which they should be applied.

    `tests` are pods that `helm test` runs. `notes` are lines that Helm prints after an installation, as a template.
    """

    name: str
    description: str
    table: ValueTable
    objects: dict[str, Any]
    notes: tuple[str, ...] = ()
    tests: dict[str, Any] = {}

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
