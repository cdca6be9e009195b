"""Ports and addresses in pod annotations (appmesh.md §4.3), judged before an init container has to."""

import ipaddress
from typing import Final

from crossfade.inject.decision import InjectionDenied

_HIGHEST_PORT: Final = 65_535
_LONGEST_SHOWN: Final = 60


def ports_from_text(text: str | None, key: str) -> str | None:
    """Without blanks and empty items, as iptables takes it; None where there is no annotation."""
    return None if text is None else ",".join(_port_or_range(item, key) for item in _items(text))


def addresses_from_text(text: str | None, key: str) -> str | None:
    """As `ports_from_text`, for addresses and networks."""
    return None if text is None else ",".join(_network(item, key) for item in _items(text))


def _port_or_range(item: str, key: str) -> str:
    ends = [end.strip() for end in item.split(":")]
    numbers = [int(end) for end in ends if end.isascii() and end.isdecimal() and len(end) <= len(str(_HIGHEST_PORT))]
    if len(numbers) != len(ends) or len(ends) > 2 or not 0 < numbers[0] <= numbers[-1] <= _HIGHEST_PORT:
        raise InjectionDenied(
            f"malformed annotation {key}, expected format: port or first:last, separated by commas, "
            f"of numbers from 1 to {_HIGHEST_PORT}, as in 22,9000:9019; {_shown(item)} is neither"
        )
    return ":".join(map(str, numbers))


def _network(item: str, key: str) -> str:
    try:
        ipaddress.ip_network(item, strict=False)
    except ValueError:
        raise InjectionDenied(
            f"malformed annotation {key}, expected format: address or network, separated by commas, "
            f"as in 169.254.169.254,10.0.0.0/8; {_shown(item)} is neither"
        ) from None
    return item


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _shown(item: str) -> str:
    return repr(item if len(item) <= _LONGEST_SHOWN else f"{item[:_LONGEST_SHOWN]}…")
