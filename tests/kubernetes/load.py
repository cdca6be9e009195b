"""Callers at a steady rate, while something happens to those who answer them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

from tests.support import mesh_load

RATE: Final = 200.0
AT_LEAST: Final = 4_000
_BEFORE_S: Final = 2.5
_AFTER_S: Final = 3.0
_LONGEST_S: Final = 300.0
_ANSWER_S: Final = 30.0
CONNECTIONS: Final = ("kept", "new")


class Tally(NamedTuple):
    """`lost` by kind: how many."""

    sent: int
    lost: dict[str, int]

    @property
    def lost_count(self) -> int:
        return sum(self.lost.values())


class Callers:
    """Half of the requests on connections that are kept, half each on one of its own."""

    def __init__(self, url: str, host: str) -> None:
        rate = str(RATE / len(CONNECTIONS))
        command = [sys.executable, mesh_load.__file__, "http", url, rate, str(_LONGEST_S), host]
        self._begun = time.monotonic()
        self._processes = [
            subprocess.Popen([*command, connections], stdout=subprocess.PIPE, text=True) for connections in CONNECTIONS
        ]
        # The programs take their time to begin; what happens before they send would prove nothing.
        time.sleep(_BEFORE_S)

    def result(self) -> Tally:
        """Goes on for a while, and until enough requests have been sent."""
        time.sleep(max(_AFTER_S, self._begun + AT_LEAST / RATE + _BEFORE_S - time.monotonic()))
        self.stop()
        return merged([process.communicate(timeout=_ANSWER_S)[0] for process in self._processes])

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()


@contextmanager
def callers(url: str, host: str) -> Iterator[Callers]:
    """As soon as the first request is answered well."""
    _wait_until_answered(url, host)
    started = Callers(url, host)
    try:
        yield started
    finally:
        started.stop()


def _wait_until_answered(url: str, host: str) -> None:
    deadline = time.monotonic() + _ANSWER_S
    while (said := _asked(url, host)) != "200":
        if time.monotonic() > deadline:
            raise RuntimeError(f"{host} at {url} answers {said} after {_ANSWER_S:.0f} s")
        time.sleep(0.2)


def _asked(url: str, host: str) -> str:
    try:
        with urlopen(Request(url, headers={"Host": host}), timeout=_ANSWER_S) as answer:
            return str(answer.status)
    except OSError as error:
        return str(error)


def merged(reports: list[str]) -> Tally:
    """Of what each process wrote."""
    sent, lost = 0, dict[str, int]()
    for connections, report in zip(CONNECTIONS, reports, strict=True):
        told = json.loads(report)
        sent += told["sent"]
        for kind, (count, *_) in told["lost"].items():
            lost[f"{connections}: {kind}"] = int(count)
    return Tally(sent, lost)
