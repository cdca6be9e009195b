"""What the cluster's version says of its nodes."""

import re
from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError
from crossfade_kube.logging import EventLog

NATIVE_SIDECARS_SINCE: Final = (1, 29)

log = EventLog("crossfade.mesh")


async def has_native_sidecars(client: Client) -> bool:
    """False, with a line in the log, where the API server does not tell its version."""
    try:
        return version_has_native_sidecars(await client.request("GET", "/version"))
    except ApiError as error:
        log.warning("server.version_unknown", reason=error, kept="sidecars are containers of the classic kind")
        return False


def version_has_native_sidecars(version: object) -> bool:
    """`version` is the answer of `/version`; providers add to its numbers, as in `29+`."""
    if not isinstance(version, dict):
        return False
    numbers = [re.match(r"\d{1,6}", str(version.get(part, ""))) for part in ("major", "minor")]
    return None not in numbers and tuple(int(number[0]) for number in numbers if number) >= NATIVE_SIDECARS_SINCE
