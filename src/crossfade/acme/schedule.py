"""When which certificate is to be asked for; pure. Times are Unix time in seconds."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade.acme.settings import AcmeSettings
from crossfade.acme.store import Entries
from crossfade.compile.gateway.acme_store import (
    CERTIFICATE,
    CHALLENGE,
    FAILURE,
    Failure,
    decoded,
    judged,
)

# Whatever users write, an authority is not asked again at once.
LEAST_PAUSE_S: Final = 60.0
_LONGEST_PAUSE_S: Final = 10 * 365 * 86400.0


class Due(NamedTuple):
    """`trouble` is what is wrong with the certificate that is there; `expires` is None where there is none to use."""

    at: float
    host: str
    failures: int
    expires: float | None
    trouble: str | None = None


def due(entries: Entries, hosts: Iterable[str], settings: AcmeSettings, now: float) -> list[Due]:
    """For each host, the next first; of those that are late the ones that have failed less often."""
    found = [_due(entries, host, settings, now) for host in hosts]
    return sorted(found, key=lambda one: (max(one.at, now), one.failures, one.at, one.host))


def pause_s(minutes: float, told_s: float) -> float:
    """After a failure; `told_s` is what the authority itself asks for."""
    return min(max(minutes * 60, told_s, LEAST_PAUSE_S), _LONGEST_PAUSE_S)


def leftovers(entries: Entries, hosts: Iterable[str], now: float) -> Iterator[str]:
    """Keys of what nobody needs any more: challenges, and of other hosts what has expired."""
    wanted = frozenset(hosts)
    for key, content in entries.items():
        kind, _, name = key.partition(".")
        if kind + "." == CHALLENGE:
            yield key
        elif kind + "." == FAILURE and name not in wanted:
            failure = decoded(content, Failure)
            if failure is None or failure.next_try <= now:
                yield key
        elif kind + "." == CERTIFICATE and name not in wanted and judged(content, name).ends <= now:
            yield key


def _due(entries: Entries, host: str, settings: AcmeSettings, now: float) -> Due:
    content = entries.get(CERTIFICATE + host)
    failure = decoded(entries.get(FAILURE + host), Failure)
    # A clock that was far ahead must not keep us waiting for ever.
    allowed = failure.next_try if failure is not None and failure.next_try - now <= _LONGEST_PAUSE_S else 0.0
    failures = failure.count if failure is not None else 0
    if content is None:
        return Due(allowed, host, failures, None)
    found, problem, begins, ends = judged(content, host)
    if found is None:
        return Due(allowed, host, failures, None, problem)
    trouble = f"it expired at {shown(ends)}" if ends <= now else None
    if found.api_uri != settings.api_uri:
        return Due(allowed, host, failures, ends, trouble)
    before_s = max(min(settings.renew_threshold_days * 86400, (ends - begins) / 2), 0.0)
    return Due(max(ends - before_s, allowed), host, failures, ends, trouble)


def shown(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
