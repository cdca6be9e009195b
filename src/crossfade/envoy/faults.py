"""Faults as leases: a resource of its own for each, which Envoy drops by itself if it is not renewed in time.

What a listener has without it does nothing. So a fault begins and ends without any change of listeners and routes, and
ends where the control plane has died, or a proxy has lost it.
"""

from collections.abc import Iterable
from typing import Final

from crossfade.compile.routing.routes import Fault
from crossfade.envoy.proto import UInt32Value, core_v3, duration, fault_common_v3, fault_v3, hcm_v3, packed, type_v3
from crossfade.envoy.resource_set import Resource, leased
from crossfade.envoy.sources import ads

LEASE_S: Final = 30
RENEWAL_S: Final = 10
MOST_ACTIVE: Final = 100
"""Requests of one proxy that a fault delays at a time; others pass."""


def fault_filter(name: str) -> hcm_v3.HttpFilter:
    nothing = packed(fault_v3.HTTPFault())
    discovery = core_v3.ExtensionConfigSource(
        config_source=ads(),
        default_config=nothing,
        # No listener waits for a fault.
        apply_default_config_without_warming=True,
        type_urls=[nothing.type_url],
    )
    return hcm_v3.HttpFilter(name=name, config_discovery=discovery, disabled=True)


def is_active(fault: Fault, now_s: float) -> bool:
    return fault.start_s <= now_s < fault.end_s


def leases(faults: Iterable[Fault], now_s: float) -> dict[str, Resource]:
    """Of those that are active."""
    return {fault.name: _lease(fault, now_s) for fault in faults if is_active(fault, now_s)}


def next_change_s(faults: Iterable[Fault], now_s: float) -> float | None:
    """When other `leases` are due; None while there are no faults that last or come."""
    times: list[float] = []
    for fault in faults:
        if fault.start_s > now_s:
            times.append(fault.start_s)
        elif fault.end_s > now_s:
            times += [fault.end_s, (now_s // RENEWAL_S + 1) * RENEWAL_S]
    return min(times, default=None)


def _lease(fault: Fault, now_s: float) -> Resource:
    rest_s = max(1, round(min(LEASE_S, fault.end_s - now_s)))
    config = core_v3.TypedExtensionConfig(name=fault.name, typed_config=packed(_message(fault)))
    return leased(fault.name, config, rest_s, renewal=int(now_s // RENEWAL_S))


def _message(fault: Fault) -> fault_v3.HTTPFault:
    message = fault_v3.HTTPFault(max_active_faults=UInt32Value(value=MOST_ACTIVE))
    if fault.delay_percent:
        message.delay.CopyFrom(
            fault_common_v3.FaultDelay(
                fixed_delay=duration(fault.delay_ms / 1000), percentage=_percentage(fault.delay_percent)
            )
        )
    if fault.abort_percent:
        message.abort.CopyFrom(
            fault_v3.FaultAbort(http_status=fault.abort_status, percentage=_percentage(fault.abort_percent))
        )
    return message


def _percentage(percent: int) -> type_v3.FractionalPercent:
    return type_v3.FractionalPercent(numerator=percent)
