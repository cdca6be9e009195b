"""Asks a server what it makes of the cases, without storing any."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp

from tests.local.compat.validation.changes import LONG, Case

Json = dict[str, Any]
Post = Callable[[str, Json], Awaitable[tuple[int, Json]]]
"""Sends an object to a path; returns the status and the decoded answer."""
# Of names that the server makes.
_MADE = re.compile(r"kube-api-access-\w{5}|[0-9a-f]{8}-[0-9a-f-]{27}")


async def prepare(post: Post) -> None:
    """The namespace that the objects are in, with the account of its pods, which nobody makes where nobody controls."""
    await post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "diff"}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await post("/api/v1/namespaces/diff/serviceaccounts", account)


async def verdicts(post: Post, cases: Iterable[Case]) -> dict[str, str]:
    """By the names of the cases: `201`, or the code and the message of the refusal."""
    found = {}
    for case in cases:
        # Kubernetes' own server gives up on a few: it hangs up, as if nobody had asked.
        with contextlib.suppress(aiohttp.ServerDisconnectedError):
            found[case.name] = await _verdict(post, case)
    return found


async def _verdict(post: Post, case: Case) -> str:
    code, answer = await post(f"{case.path}?dryRun=All&fieldValidation=Strict", case.object)
    if code == 201:
        return "201"
    return _MADE.sub("…", f"{code} {answer['message']}").replace(LONG, "<long>")
