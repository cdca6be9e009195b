"""Fills Secrets of type kubernetes.io/service-account-token, and removes them with their ServiceAccount."""

import base64
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import SECRET, SERVICE_ACCOUNT
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, name_of, namespace_of, uid_of
from crossfade_local.controllers.reconciler import Reconciler

TYPE: Final = "kubernetes.io/service-account-token"
ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
ACCOUNT_UID: Final = "kubernetes.io/service-account.uid"
# Such tokens live as long as their Secret; the server may shorten what it cannot promise.
_LIFETIME_S: Final = 10 * 365 * 24 * 3600


class TokenSecrets:
    """Only Secrets that name a ServiceAccount in their annotations."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("token-secret", self._reconcile, workers=1)
        self._client = client
        self._secrets = informers.of(SECRET)
        self._accounts = informers.of(SERVICE_ACCOUNT)
        self._secrets.on_change(self._on_secret)
        self._accounts.on_change(self._on_account)

    def _on_secret(self, _before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None and after.get("type") == TYPE:
            self.reconciler.queue.add(key_of(after))

    def _on_account(self, before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        for secret in self._secrets.in_namespace(namespace_of(changed)) if changed is not None else ():
            if secret.get("type") == TYPE:
                self.reconciler.queue.add(key_of(secret))

    async def _reconcile(self, key: NamespacedName) -> None:
        secret = self._secrets.get(key)
        annotations = (secret["metadata"].get("annotations") or {}) if secret is not None else {}
        if secret is None or is_being_deleted(secret) or not annotations.get(ACCOUNT_NAME):
            return
        account = self._accounts.get(NamespacedName(key.namespace, annotations[ACCOUNT_NAME]))
        named_uid = annotations.get(ACCOUNT_UID)
        if account is None or (named_uid and named_uid != uid_of(account)):
            await self._remove(secret, annotations[ACCOUNT_NAME])
        elif not named_uid or not (secret.get("data") or {}).get("token"):
            await self._fill(secret, account)

    async def _remove(self, secret: JsonObject, account_name: str) -> None:
        """After a look at the server: the ServiceAccount may only be unknown here as yet."""
        namespace = namespace_of(secret)
        try:
            await self._client.get(SERVICE_ACCOUNT, account_name, namespace=namespace)
        except NotFound:
            try:
                await self._client.delete(SECRET, name_of(secret), namespace=namespace, uid=uid_of(secret))
            except NotFound:
                return

    async def _fill(self, secret: JsonObject, account: JsonObject) -> None:
        namespace = namespace_of(secret)
        bound = {"apiVersion": "v1", "kind": "Secret", "name": name_of(secret), "uid": uid_of(secret)}
        request: JsonObject = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {"audiences": [], "expirationSeconds": _LIFETIME_S, "boundObjectRef": bound},
        }
        answer = await self._client.create(
            SERVICE_ACCOUNT, request, namespace=namespace, subresource_of=name_of(account), subresource="token"
        )
        data = {
            "token": answer["status"]["token"].encode(),
            "namespace": namespace.encode(),
            "ca.crt": self._client.config.ca_pem or b"",
        }
        patch = {
            "metadata": {
                "annotations": {ACCOUNT_UID: uid_of(account)},
                "resourceVersion": secret["metadata"]["resourceVersion"],
            },
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        self._secrets.observe(await self._client.patch(SECRET, name_of(secret), patch, namespace=namespace))
