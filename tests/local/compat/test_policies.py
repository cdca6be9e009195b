"""Policies decide as Kubernetes' own plugin does, with the same words: `policies.jsonl` was recorded.

That is what k8s.io/apiserver of Kubernetes 1.36 says of requests about ConfigMaps, by a user who may get pods.
"""

import json
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.policies.enforcement import PolicyEnforcement
from crossfade_local.apiserver.policies.index import BINDINGS, POLICIES
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.wire.request import Call, User, request_info
from crossfade_local.apiserver.wire.status import StatusError
from tests.support.api_in_process import builtin_types

Json = dict[str, Any]
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "policies.jsonl").read_text().splitlines()]
COMPILATION = "compilation error: "


class OnlyPods:
    def decide(self, about: Json) -> tuple[bool, str]:
        is_allowed = about["user"]["name"] == "lena" and about.get("resource") == "pods" and about["verb"] == "get"
        return is_allowed, ""


@cache
def registry() -> Registry:
    return Registry(builtin_types())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rules() -> AsyncIterator[Rules]:
    found = Rules()
    yield found
    await found.close()


def called(recorded: Json) -> str:
    expressions = [one["expression"] for one in recorded["policy"].get("validations", ())]
    return " ".join(expressions) or "annotations"


async def stored(recorded: Json) -> Storage:
    storage = Storage(Database(None))
    spec = recorded["policy"]
    await storage.create("/namespaces", "", "default", dict(recorded["namespace"]))
    for one in recorded.get("params", ()):
        await storage.create("/configmaps", "default", one["metadata"]["name"], dict(one))
    await storage.create(POLICIES, "", "p", {"metadata": {"name": "p"}, "spec": spec})
    await storage.create(BINDINGS, "", "b", {"metadata": {"name": "b"}, "spec": recorded["binding"]})
    return storage


def attributes_of(recorded: Json) -> Attributes:
    new, old = recorded.get("object"), recorded.get("oldObject")
    operation = "DELETE" if new is None else "UPDATE" if old else "CREATE"
    info = request_info("POST", "/api/v1/namespaces/default/configmaps", {})
    call = Call("POST", info, {}, {}, b"", User("lena", ("devs",)))
    resource = registry().builtin("", "v1", "configmaps")
    return Attributes(call, resource, operation, "default", (new or old)["metadata"]["name"], new, old)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("recorded", RECORDED, ids=map(called, RECORDED))
async def test_policy(recorded: Json, rules: Rules) -> None:
    said = recorded.get("message", "")
    faults = await rules.policy_faults(recorded["policy"])
    if COMPILATION in said:
        assert faults
        assert said.rpartition(COMPILATION)[2] in {fault.detail for fault in faults}
        return
    assert not faults
    enforcement = PolicyEnforcement(await stored(recorded), registry(), rules, cast("Any", OnlyPods()))
    attributes = attributes_of(recorded)
    found: Json = {}
    try:
        await enforcement.validate(attributes)
    except StatusError as error:
        found = {"code": error.code, "reason": error.reason, "message": error.message}
    assert found == {name: recorded[name] for name in ("code", "reason", "message") if name in recorded}
    assert list(attributes.call.warnings) == (recorded["warnings"] or [])
