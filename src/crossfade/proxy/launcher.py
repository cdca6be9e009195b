"""The life of one Envoy beside its pod: started, started again, drained at the end. Standard library only.

| signal | meaning |
|---|---|
| SIGUSR2 | the pod is about to end (the sidecar's preStop hook): peers are told to turn away, all else goes on |
| SIGTERM, SIGINT, SIGQUIT | the end; of a native sidecar it comes when the pod's own containers have ended |
| SIGUSR1, SIGHUP | handed on to Envoy |
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade.proxy.admin import is_ready
from crossfade.proxy.app_sockets import Sockets, sockets_of_others
from crossfade.proxy.draining import LastRequests, awaits_its_first, turn_peers_away
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.held_ports import HeldPorts
from crossfade.proxy.state_folder import StateFolder

CHECK_S: Final = 10.0
POLL_S: Final = 0.1
# While connections wait for an Envoy that is just starting.
HELD_POLL_S: Final = 0.02
# Endpoints should have left before peers are told to reconnect, else they come straight back.
LEAVE_S: Final = 2.0
# A container that computes for a while has no socket either. One that listened and does not any more has begun to end.
APP_QUIET_S: Final = 5.0
LISTENER_QUIET_S: Final = 2.0
SIDECAR_LEAST_S: Final = 1
# As long as the slowest of a cluster's nodes may send new connections here: kube-proxy takes a second or two.
GATEWAY_LEAST_S: Final = 5
# Whatever is left has to be ended before the kubelet kills it.
_MARGIN_S: Final = 1.5
# An Envoy that ends again and again is no accident: the container's end makes the kubelet's back-off apply.
MAX_RESTARTS: Final = 5
RESTART_WINDOW_S: Final = 60.0

ANNOUNCING: Final = signal.SIGUSR2
FORWARDED: Final = frozenset({signal.SIGUSR1, signal.SIGHUP})
ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class EndSettings(NamedTuple):
    """From SIGTERM on Envoy serves `least_s`, then until nobody comes any more, `drain_s` in all at most.

    `waits_for_app_s` is the pod's grace period where SIGTERM comes to all containers at once, else None."""

    admin_port: int
    stands_alone: bool
    least_s: float
    drain_s: float
    waits_for_app_s: float | None


class Launcher:
    """`start` makes an Envoy; `refresh` is called at least every ten seconds."""

    def __init__(
        self,
        start: Callable[[], EnvoyProcess],
        settings: EndSettings,
        *,
        refresh: Callable[[], None],
        state: StateFolder | None,
    ) -> None:
        self._settings = settings
        self._start = start
        self._refresh = refresh
        self._state = state
        self._signals = _signal_pipe()
        self._ports = HeldPorts()
        self._ends: list[float] = []
        self._announced_at: float | None = None
        self._ending = False
        self._has_turned_away = False
        self._last_requests: LastRequests | None = None
        self._app_seen_at = 0.0
        self._app_quiet_s = APP_QUIET_S

    def run(self) -> int:
        """Envoy's exit code as a shell counts it; 0 when it ended because it was asked to."""
        envoy = self._start()
        awaits_ready = self._state is not None
        while True:
            for number in self._next_signals(self._pause_s(awaits_ready=awaits_ready)):
                self._take(number, envoy)
            self._refresh()
            now = time.monotonic()
            if (code := envoy.poll()) is not None:
                if not self._may_restart(code, now):
                    return code
                self._ports.hold(now)
                envoy = self._start()
                awaits_ready = self._state is not None
                self._has_turned_away = False
            if awaits_ready and self._state is not None and is_ready(self._settings.admin_port):
                self._state.tell_ready()
                awaits_ready = False
            self._ports.release(envoy.pid, now)
            if not awaits_ready and not self._ending:
                self._ports.note(envoy.pid)
            if self._is_over(envoy, now):
                if envoy.poll() is None:
                    envoy.terminate()
                code = envoy.wait()
                # So it ends where it has no handler yet.
                return 0 if code == 128 + signal.SIGTERM else code

    def _pause_s(self, *, awaits_ready: bool) -> float:
        if self._ports.are_held:
            return HELD_POLL_S
        is_announced = self._announced_at is not None and not self._has_turned_away
        return POLL_S if awaits_ready or self._ending or is_announced else CHECK_S

    def _take(self, number: int, envoy: EnvoyProcess) -> None:
        if number in FORWARDED:
            envoy.send_signal(number)
        if number in ENDING or number == ANNOUNCING:
            now = time.monotonic()
            if self._announced_at is None:
                self._announced_at = self._app_seen_at = now
            self._ending = self._ending or number in ENDING

    def _is_over(self, envoy: EnvoyProcess, now: float) -> bool:
        """Drains when the time has come, and says when nothing is left to be done."""
        if self._announced_at is None:
            return False
        is_last = self._ending and self._app_is_gone(envoy, now)
        settings = self._settings
        if is_last and not self._has_turned_away and settings.stands_alone and awaits_its_first(settings.admin_port):
            return True
        if not self._has_turned_away and (is_last or now >= self._announced_at + LEAVE_S):
            self._has_turned_away = True
            turn_peers_away(settings.admin_port, stands_alone=settings.stands_alone)
        if is_last and self._last_requests is None:
            self._last_requests = LastRequests(
                settings.admin_port, least_s=settings.least_s, at_most_s=settings.drain_s, now=now
            )
        return self._last_requests is not None and self._last_requests.are_over(now)

    def _app_is_gone(self, envoy: EnvoyProcess, now: float) -> bool:
        grace_s, begun = self._settings.waits_for_app_s, self._announced_at
        if grace_s is None or begun is None or now >= begun + grace_s - _MARGIN_S:
            return True
        try:
            found = sockets_of_others((os.getpid(), envoy.pid))
        except OSError:
            # Who cannot look stays as long as it may.
            found = Sockets.CONNECTED
        if found:
            self._app_seen_at = now
        if found is Sockets.LISTENING:
            self._app_quiet_s = LISTENER_QUIET_S
        return now >= self._app_seen_at + self._app_quiet_s

    def _may_restart(self, code: int, now: float) -> bool:
        """Not while it drains at its end, nor for ever."""
        self._ends = [*(end for end in self._ends if end > now - RESTART_WINDOW_S), now]
        if self._last_requests is not None or len(self._ends) > MAX_RESTARTS:
            return False
        print(f"crossfade proxy: Envoy ended with exit code {code} and is started again", file=sys.stderr, flush=True)  # noqa: T201
        return True

    def _next_signals(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self._signals], [], [], timeout_s)
        return os.read(self._signals, 64) if ready else b""


def _signal_pipe() -> int:
    """A file descriptor that gives the number of each signal as a byte; the child's end counts as one too."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (*ENDING, *FORWARDED, ANNOUNCING, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader
