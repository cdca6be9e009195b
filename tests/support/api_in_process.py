"""The API server without sockets and without its controllers: calls in, answers out, in one event loop."""

import json
from functools import cache
from typing import Any, cast

from crossfade_local.apiserver.admission.chain import AdmissionChain
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.crd.lifecycle import Lifecycle
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.dispatch import Dispatcher
from crossfade_local.apiserver.policies.enforcement import PolicyEnforcement
from crossfade_local.apiserver.policies.mutating import PolicyMutation
from crossfade_local.apiserver.policies.parameter_access import only_readable_parameters
from crossfade_local.apiserver.security.rbac import MASTERS, Authorizer
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.wire.answers import Answer, ListAnswer, ObjectAnswer, StreamAnswer
from crossfade_local.apiserver.wire.request import Call, User, request_info
from crossfade_local.apiserver.wire.status import StatusError

Json = dict[str, Any]
ADMIN = User("admin", (MASTERS,))


@cache
def builtin_types() -> BuiltinTypes:
    return BuiltinTypes.load()


class ApiInProcess:
    """Serves a storage; nothing is admitted or refused but by schema, rules and policies."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.user = ADMIN
        self.warnings: tuple[str, ...] = ()
        """Of the last call."""
        registry = Registry(builtin_types())
        rules, authorizer = Rules(), Authorizer(storage)
        chain = AdmissionChain(
            gate=(),
            waits=(),
            mutators=(),
            validators=(only_readable_parameters(storage, registry, authorizer),),
            registered_mutators=(PolicyMutation(storage, registry, rules, authorizer),),
            registered_validators=(PolicyEnforcement(storage, registry, rules, authorizer),),
        )
        self.lifecycle = Lifecycle(storage, registry, lambda: self.api.clock())
        self.api = Api(
            registry=registry,
            storage=storage,
            admission=chain,
            authorizer=authorizer,
            rules=rules,
            tokens=cast("Any", None),
            kubelet=cast("Any", None),
        )
        self._dispatcher = Dispatcher(self.api)

    async def answer(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **query: str
    ) -> Answer:
        """Raises StatusError."""
        data = json.dumps(body).encode() if body is not None else b""
        headers = {"Content-Type": content_type} if data else {}
        call = Call(method, request_info(method, path, query), query, headers, data, self.user)
        try:
            return await self._dispatcher.answer(call)
        finally:
            self.warnings = tuple(call.warnings)

    async def send(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **query: str
    ) -> tuple[int, Json]:
        """Status and object; a list has its items as `items`."""
        try:
            answer = await self.answer(method, path, body, content_type=content_type, **query)
        except StatusError as error:
            return error.code, error.status()
        if isinstance(answer, ListAnswer):
            return 200, {"metadata": answer.metadata, "items": answer.items}
        assert isinstance(answer, ObjectAnswer)
        return answer.status, answer.object

    async def watch(self, path: str, **query: str) -> StreamAnswer:
        """Raises StatusError."""
        answer = await self.answer("GET", path, watch="1", **query)
        assert isinstance(answer, StreamAnswer)
        return answer

    async def create(self, path: str, body: Json) -> Json:
        code, answer = await self.send("POST", path, body)
        assert code == 201, answer
        return answer
