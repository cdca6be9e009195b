"""Every namespace has a ServiceAccount `default` and the cluster's CA certificate in ConfigMap kube-root-ca.crt."""

from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, Forbidden, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_kube.resources import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT
from crossfade_local.controllers.informers import Informer, Informers
from crossfade_local.controllers.objects import is_being_deleted, name_of
from crossfade_local.controllers.reconciler import Reconciler

ACCOUNT: Final = "default"
ROOT_CA: Final = "kube-root-ca.crt"
_ABOUT_ROOT_CA: Final = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the"
    " internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes"
    " clusters."
)


class ServiceAccounts:
    """Restores what is deleted, as long as the namespace lives."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.reconciler: Reconciler[str] = Reconciler("serviceaccount", self._reconcile)
        self._client = client
        self._namespaces = informers.of(NAMESPACE)
        self._accounts = informers.of(SERVICE_ACCOUNT)
        self._config_maps = informers.of(CONFIG_MAP)
        self._namespaces.on_change(self._on_namespace)
        self._accounts.on_change(self._on_deleted)
        self._config_maps.on_change(self._on_deleted)

    def _on_namespace(self, _before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self.reconciler.queue.add(name_of(after))

    def _on_deleted(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is not None and name_of(changed) in (ACCOUNT, ROOT_CA):
            self.reconciler.queue.add(changed["metadata"]["namespace"])

    async def _reconcile(self, namespace: str) -> None:
        known = self._namespaces.get(NamespacedName("", namespace))
        if known is None or is_being_deleted(known):
            return
        metadata = {"name": ACCOUNT, "namespace": namespace}
        account: JsonObject = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        await self._ensure(SERVICE_ACCOUNT, self._accounts, account)
        if self._client.config.ca_pem:
            await self._ensure_root_ca(namespace, self._client.config.ca_pem.decode())

    async def _ensure_root_ca(self, namespace: str, pem: str) -> None:
        wanted: JsonObject = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": ROOT_CA,
                "namespace": namespace,
                "annotations": {"kubernetes.io/description": _ABOUT_ROOT_CA},
            },
            "data": {"ca.crt": pem},
        }
        stored = self._config_maps.get(NamespacedName(namespace, ROOT_CA))
        if stored is None:
            await self._ensure(CONFIG_MAP, self._config_maps, wanted)
        elif stored.get("data") != wanted["data"]:
            patch = {"data": wanted["data"]}
            self._config_maps.observe(await self._client.patch(CONFIG_MAP, ROOT_CA, patch, namespace=namespace))

    async def _ensure(self, resource: Resource, informer: Informer, wanted: JsonObject) -> None:
        metadata = wanted["metadata"]
        if informer.get(NamespacedName(metadata["namespace"], metadata["name"])) is not None:
            return
        try:
            informer.observe(await self._client.create(resource, wanted))
        except (AlreadyExists, NotFound):
            # Somebody was faster, or the namespace is gone.
            return
        except Forbidden as exc:
            if not exc.has_cause("NamespaceTerminating"):
                raise
