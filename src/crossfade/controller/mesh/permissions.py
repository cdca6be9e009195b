"""What the controller may read, found out by trying: a role of an older installation may not name it yet."""

import asyncio
from collections.abc import Iterable

from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import Forbidden, KubeError, NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.paths import path_of
from crossfade_kube.registry import TypedObject

_PAUSES_S = (0.05, 5.0)


async def may_read(
    client: Client,
    kinds: Iterable[type[TypedObject]],
    log: EventLog,
    *,
    otherwise: str,
    is_optional: bool = False,
) -> bool:
    """All of them, in every namespace; waits for an API that does not answer. `otherwise` says what follows.

    What is optional is not told: whoever needs it hears of it where it is needed.
    """
    forbidden = [kind.RESOURCE.plural for kind in kinds if not await _may_list(client, kind, log)]
    if forbidden and not is_optional:
        hint = "apply what `crossfade install mesh` prints and restart the controller"
        log.warning("permissions.missing", resources=",".join(forbidden), effect=otherwise, hint=hint)
    return not forbidden


async def _may_list(client: Client, kind: type[TypedObject], log: EventLog) -> bool:
    backoff = Backoff(*_PAUSES_S)
    while True:
        try:
            await client.request("GET", path_of(kind.RESOURCE), query={"limit": "1"})
        except Forbidden:
            return False
        except NotFound:
            return True
        except KubeError as exc:
            log.warning("permissions.not_checked", resource=kind.RESOURCE.plural, reason=exc)
            await asyncio.sleep(backoff.next_s())
        else:
            return True
