"""From a call to its answer: authorization, then the handler that path and verb ask for."""

from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver import health, pod_proxy, tunnel
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.discovery import openapi_v2, resources
from crossfade_local.apiserver.discovery.openapi import OpenApi
from crossfade_local.apiserver.handlers import delete, read, reviews, subresources, usage, watch, write
from crossfade_local.apiserver.handlers.registered import admit_connection
from crossfade_local.apiserver.handlers.target import resource_of, subresource_of
from crossfade_local.apiserver.security import tokens
from crossfade_local.apiserver.types.deprecated import deprecation_of
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire import negotiation
from crossfade_local.apiserver.wire.answers import Answer, BytesAnswer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import (
    PageNotFoundError,
    StatusError,
    method_not_allowed,
    qualified,
    unknown_resource,
)
from crossfade_local.version import KUBERNETES_VERSION

Handler = Callable[[Api, Call, ResourceType], Awaitable[Answer]]
_HANDLERS: Final[dict[str, Handler]] = {
    "create": write.create,
    "update": write.replace,
    "patch": write.patch,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
    "get": read.get,
    "list": read.list_objects,
    "watch": watch.watch,
}
_PART_HANDLERS: Final[dict[str, Callable[[Api, Call, ResourceType, str], Awaitable[Answer]]]] = {
    "update": write.replace,
    "patch": write.patch,
}
_TUNNELLED: Final = frozenset({"attach", "exec", "log", "portforward"})
_CONNECTING: Final = (_TUNNELLED - {"log"}) | {"proxy"}
_PUBLIC: Final = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_HEALTH: Final = ("/healthz", "/livez", "/readyz")
VERSION: Final = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": f"{KUBERNETES_VERSION}+crossfade",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "cpython",
    "platform": "linux/amd64",
}
_PATHS: Final = (
    tokens.CONFIGURATION_PATH,
    "/api",
    "/api/v1",
    "/apis",
    "/healthz",
    "/livez",
    "/livez/ping",
    "/livez/state",
    "/metrics",
    "/openapi/v3",
    tokens.KEY_SET_PATH,
    "/readyz",
    "/readyz/ping",
    "/readyz/state",
    "/version",
)


class Dispatcher:
    """Holds what outlives a request: the parts of the server and the OpenAPI documents."""

    def __init__(self, api: Api) -> None:
        self._api: Final = api
        self._openapi: Final = OpenApi(api.registry)

    async def answer(self, call: Call) -> Answer:
        """Raises StatusError and PageNotFoundError."""
        self._authorize(call)
        if call.info.is_resource:
            return await self._resource_answer(call)
        return self._other_answer(call)

    def _authorize(self, call: Call) -> None:
        info = call.info
        if info.path in _PUBLIC or info.path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return
        allowed, _ = self._api.authorizer.allows(call.user, info)
        if not allowed:
            raise denied(call)

    async def _resource_answer(self, call: Call) -> Answer:
        api = self._api
        resource = resource_of(api, call)
        sub = subresource_of(resource, call)
        if resource.namespaced and not call.info.namespace and call.info.verb not in ("list", "watch"):
            # What lies in namespaces is read across all of them, and nothing else.
            raise unknown_resource() if call.info.name else method_not_allowed()
        if warning := deprecation_of(resource):
            call.warn(warning)
        if resource.group == usage.GROUP:
            return await usage.answer(api, call, resource)
        if sub is None:
            review = reviews.HANDLERS.get(resource.plural) if resource.verbs == ("create",) else None
            if resource.plural == "bindings" and review is None:
                raise unknown_resource()
            return await (review or _HANDLERS[call.info.verb])(api, call, resource)
        if sub.name in _CONNECTING:
            await admit_connection(api, call, resource)
        if sub.name in _TUNNELLED:
            return await tunnel.answer(api, call, resource)
        if sub.name == "proxy":
            return await pod_proxy.answer(api, call, resource)
        special = subresources.HANDLERS.get((sub.name, call.info.verb))
        if special is not None:
            return await special(api, call, resource)
        if call.info.verb == "get":
            return await read.get(api, call, resource)
        return await _PART_HANDLERS[call.info.verb](api, call, resource, sub.name)

    def _other_answer(self, call: Call) -> Answer:
        path = call.info.path.rstrip("/") or "/"
        if call.method not in ("GET", "HEAD"):
            raise PageNotFoundError
        if path.startswith(_HEALTH):
            return health.answer(self._api, call, path)
        if path == "/metrics":
            return BytesAnswer(*self._api.measures.text())
        if path == "/version":
            return BytesAnswer(orjson.dumps(VERSION, option=orjson.OPT_INDENT_2))
        if path == "/":
            return BytesAnswer(orjson.dumps({"paths": list(_PATHS)}, option=orjson.OPT_INDENT_2))
        if path == tokens.KEY_SET_PATH:
            return BytesAnswer(orjson.dumps(self._api.tokens.key_set()), "application/jwk-set+json")
        if path == tokens.CONFIGURATION_PATH:
            return ObjectAnswer(self._api.tokens.configuration(call.headers.get("Host", "")))
        if path == "/openapi/v2":
            return self._openapi_v2_answer(call)
        if path.startswith("/openapi/v3"):
            return self._openapi_answer(path)
        if path.startswith("/api"):
            return self._discovery_answer(call, path)
        raise PageNotFoundError

    def _openapi_v2_answer(self, call: Call) -> Answer:
        if "com.github.proto-openapi" in call.headers.get("Accept", ""):
            return BytesAnswer(openapi_v2.PROTOBUF, openapi_v2.MEDIA_TYPE)
        return ObjectAnswer(openapi_v2.DOCUMENT)

    def _openapi_answer(self, path: str) -> Answer:
        if path == "/openapi/v3":
            return ObjectAnswer(self._openapi.index())
        document = self._openapi.document(path.removeprefix("/openapi/v3/"))
        if document is None:
            raise PageNotFoundError
        return BytesAnswer(document)

    def _discovery_answer(self, call: Call, path: str) -> Answer:
        registry = self._api.registry
        parts = path.strip("/").split("/")
        if len(parts) == 1:
            version = resources.aggregated_version(call.headers.get("Accept", ""))
            if version:
                content = resources.aggregated(registry, core=parts[0] == "api", version=version)
                return BytesAnswer(orjson.dumps(content), resources.aggregated_content_type(version))
            if parts[0] == "api":
                return ObjectAnswer(resources.core_versions(call.headers.get("Host", "")))
            return ObjectAnswer(resources.group_list(registry))
        negotiation.negotiate(call.headers.get("Accept", ""))
        found: JsonObject | None = None
        if parts[0] == "api" and len(parts) == 2:
            found = resources.resource_list(registry, "", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            found = resources.group(registry, parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = resources.resource_list(registry, parts[1], parts[2])
        if found is None:
            # Another version of a group that is there.
            raise unknown_resource() if parts[0] == "api" or registry.has_group(parts[1]) else PageNotFoundError
        return ObjectAnswer(found)


def denied(call: Call) -> StatusError:
    """403 in Kubernetes' words."""
    info, user = call.info, call.user
    if not info.is_resource:
        message = f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"'
        return StatusError(403, "Forbidden", message, {})
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    scope = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    head = qualified(info.resource, info.group) + (f' "{info.name}"' if info.name else "")
    message = (
        f'{head} is forbidden: User "{user.name}" cannot {info.verb} resource "{resource}" in API group'
        f' "{info.group}" {scope}'
    )
    details = {
        key: value for key, value in (("name", info.name), ("group", info.group), ("kind", info.resource)) if value
    }
    return StatusError(403, "Forbidden", message, details)
