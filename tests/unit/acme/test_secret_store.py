"""Entries in Secrets whose names are fixed."""

import base64

import pytest

from crossfade.acme.secret_store import SecretStore
from crossfade.acme.store import StoreError
from crossfade.compile.gateway.acme_store import SHARDS, place_of, secret_names
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from tests.support.fake_api import FakeApi, serving

NAMES = secret_names("kong", "kong-kong-acme")
FOLDER = "/api/v1/namespaces/kong/secrets"


def path_of(key: str) -> str:
    return f"{FOLDER}/{place_of(key, NAMES).name}"


async def test_entries_are_spread_and_changed_one_by_one() -> None:
    keys = [f"certificate.host-{number}.test" for number in range(100)]
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        store = SecretStore(client, NAMES)
        assert dict(await store.read()) == {}
        await store.write({key: key.encode() for key in keys})
        assert len(api.objects) == SHARDS
        assert all(item["metadata"]["labels"]["app.kubernetes.io/component"] == "acme" for item in api.objects.values())
        await store.write({keys[0]: None, keys[1]: b"new"})
        expected = {key: key.encode() for key in keys[2:]} | {keys[1]: b"new"}
        assert dict(await store.read()) == expected
        before = api.version
        await store.write({keys[0]: None, keys[1]: b"new"})
        assert api.version == before


async def test_what_others_wrote_meanwhile_stays() -> None:
    key = "certificate.a.test"
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        store = SecretStore(client, NAMES)
        api.put(
            path_of(key), {"metadata": {"namespace": "kong", "annotations": {"mine": "x"}}, "data": {"theirs": "eA=="}}
        )
        await store.write({key: b"content"})
        stored = api.objects[path_of(key)]
        assert stored["data"] == {"theirs": "eA==", key: base64.b64encode(b"content").decode()}
        assert stored["metadata"]["annotations"] == {"mine": "x"}
        conflict = {"kind": "Status", "status": "Failure", "code": 409, "reason": "Conflict", "message": "later"}
        get = (200, dict(stored), {})
        api.answers += [get, (409, conflict, {})]
        await store.write({key: b"other"})
        assert api.objects[path_of(key)]["data"][key] == base64.b64encode(b"other").decode()


async def test_a_store_that_may_not_be_used_says_so() -> None:
    denied = {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "may not"}
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        store = SecretStore(client, NAMES)
        api.answers.append((403, denied, {}))
        with pytest.raises(StoreError, match=r"cannot be read: .*may not"):
            await store.read()
        api.answers += [
            (404, {"kind": "Status", "code": 404, "reason": "NotFound", "message": ""}, {}),
            (403, denied, {}),
        ]
        with pytest.raises(StoreError, match=r"Secret kong/kong-kong-acme-[0-9]+ cannot be written: .*may not"):
            await store.write({"account.1": b"secret key"})
