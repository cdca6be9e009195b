"""Get and list, with paging and lists of the past."""

import base64
import json
from collections.abc import Iterable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.aside import slices
from crossfade_local.apiserver.conversion.versions import to_served
from crossfade_local.apiserver.handlers.selection import Selection, selection
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.state.storage import Expired, Key, Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.values import gojson
from crossfade_local.apiserver.wire import options
from crossfade_local.apiserver.wire.answers import Answer, ListAnswer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import StatusError, bad_request, expired, too_large_resource_version

_TOKEN_VERSION: Final = "meta.k8s.io/v1"  # noqa: S105 - a format, not a secret
_CONTINUE_EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
    " Continuing with the provided token results in an inconsistent list - objects that were created, modified, or"
    " deleted between the time the first chunk was returned and now may show up in the list."
)


async def get(api: Api, call: Call, resource: ResourceType) -> Answer:
    wanted = options.resource_version(call.query.get("resourceVersion", ""))
    if wanted > api.storage.revision:
        raise too_large_resource_version(wanted, api.storage.revision)
    return ObjectAnswer(to_served(resource, stored_object(api, call, resource).object), resource)


async def list_objects(api: Api, call: Call, resource: ResourceType) -> Answer:
    limit = options.number(call, "limit") or 0
    options.check_list(call, watching=False)
    options.number(call, "timeoutSeconds")
    chosen = selection(call, resource)
    revision, after, found = _source(api, call, resource, chosen)
    # What is stored may change between two slices; what was found does not.
    matching = [
        stored
        async for part in slices(list(found), chosen.terms)
        for stored in part
        if (after is None or stored.key > after) and (chosen.is_everything or chosen.matches(stored.object))
    ]
    metadata: JsonObject = {"resourceVersion": str(revision)}
    if 0 < limit < len(matching):
        if chosen.is_everything:
            metadata["remainingItemCount"] = len(matching) - limit
        matching = matching[:limit]
        metadata["continue"] = _token(revision, matching[-1].key)
    served = [to_served(resource, stored.object) async for part in slices(matching) for stored in part]
    return ListAnswer(resource, served, metadata)


def _source(
    api: Api, call: Call, resource: ResourceType, chosen: Selection
) -> tuple[int, Key | None, Iterable[Stored]]:
    """The revision a list shows, the key behind which it starts, and the objects."""
    storage, bucket = api.storage, resource.bucket
    text = call.query.get("resourceVersion", "")
    token = call.query.get("continue")
    if token:
        if text and text != "0":
            raise bad_request("specifying resource version is not allowed when using continue")
        revision, after = _read_token(token)
        if revision < 0:
            return storage.revision, after, storage.scan(bucket, chosen.namespace)
        return revision, after, _past(api, resource, chosen, revision, after)
    wanted = options.resource_version(text)
    if wanted > storage.revision:
        raise too_large_resource_version(wanted, storage.revision)
    if call.query.get("resourceVersionMatch") == "Exact":
        return wanted, None, _past(api, resource, chosen, wanted, None)
    return storage.revision, None, storage.scan(bucket, chosen.namespace)


def _past(api: Api, resource: ResourceType, chosen: Selection, revision: int, after: Key | None) -> list[Stored]:
    try:
        return api.storage.list_at(resource.bucket, chosen.namespace, revision)
    except Expired as error:
        if after is None:
            raise expired("The resourceVersion for the provided list is too old.") from error
        failure: StatusError = expired(_CONTINUE_EXPIRED)
        failure.metadata = {"continue": _token(-1, after)}
        raise failure from error


def _token(revision: int, last: Key) -> str:
    """Where the next page starts; a negative revision asks for the present instead of a consistent past."""
    start = f"{last[0]}/{last[1]}\x00" if last[0] else f"{last[1]}\x00"
    content = json.dumps({"v": _TOKEN_VERSION, "rv": revision, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        content = gojson.parse(raw)
    except gojson.JsonError as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    except ValueError as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    if not isinstance(content, dict) or content.get("v") != _TOKEN_VERSION:
        raise bad_request("invalid continue token: continue key is not valid: server does not recognize this encoding")
    namespace, _, name = str(content.get("start", "")).removesuffix("\x00").rpartition("/")
    return int(content.get("rv", 0)), (namespace, name)
