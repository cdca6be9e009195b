"""Taking an Envoy out of service without losing a request. Standard library only."""

import json
from typing import Final

from crossfade.proxy.admin import ask_admin

# As long as requests still come, somebody has not heard yet that this proxy goes.
QUIET_S: Final = 1.0
_INBOUND_ONLY: Final = ("/drain_listeners?inboundonly&graceful&skip_exit",)
_EVERYTHING: Final = ("/healthcheck/fail", "/drain_listeners?graceful&skip_exit")


def turn_peers_away(admin_port: int, *, stands_alone: bool) -> None:
    """Envoy still accepts, and tells whoever comes to reconnect elsewhere.

    A sidecar does so at its inbound side alone (`stands_alone` is false) and stays ready: the pod's own calls go on,
    and a pod that is the last one of its Service still gets requests.
    """
    try:
        for path in _EVERYTHING if stands_alone else _INBOUND_ONLY:
            ask_admin(admin_port, "POST", path)
    except OSError:
        # Its end is seen elsewhere.
        return


def awaits_its_first(admin_port: int) -> bool:
    """Envoy has had no configuration yet, so that nobody was ever sent to it."""
    try:
        return ask_admin(admin_port, "GET", "/ready").strip().endswith(b"INITIALIZING")
    except OSError:
        return False


class LastRequests:
    """Asked again and again until nobody comes any more; `least_s` and `at_most_s` bound the time."""

    def __init__(self, admin_port: int, *, least_s: float, at_most_s: float, now: float) -> None:
        self._admin_port = admin_port
        self._earliest_end = now + min(least_s, at_most_s)
        self._deadline = now + at_most_s
        self._seen = -1
        self._quiet_since = now

    def are_over(self, now: float) -> bool:
        """No request is in flight and none came for a while, or the time is over."""
        if now >= self._deadline:
            return True
        try:
            active, seen = _traffic(self._admin_port)
        except OSError:
            # An admin interface that does not answer cannot tell when to end either.
            return True
        if active or (seen != self._seen and self._seen >= 0):
            self._quiet_since = now
        self._seen = seen
        return now >= self._earliest_end and now - self._quiet_since >= QUIET_S


def _traffic(admin_port: int) -> tuple[int, int]:
    """Requests and raw connections in progress, and how many there ever were; the admin interface's own left out."""
    text = ask_admin(admin_port, "GET", "/stats?format=json&filter=downstream_(rq|cx)_(active|total)$")
    active = seen = 0
    for stat in json.loads(text)["stats"]:
        kind, _, name = stat.get("name", "").partition(".")
        if name.startswith(("admin.", "crossfade_status.")):
            continue
        what = name.rpartition(".")[2]
        if (kind, what) in (("http", "downstream_rq_active"), ("tcp", "downstream_cx_active")):
            active += stat["value"]
        elif (kind, what) in (("http", "downstream_rq_total"), ("tcp", "downstream_cx_total")):
            seen += stat["value"]
    return active, seen
