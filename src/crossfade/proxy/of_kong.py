"""What the proxy of a gateway takes of Kong's settings, which charts write into its environment (kong.md §1).

Of gateways alone: sidecars do not import it. Standard library only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossfade.kong_conf.listen import Listen, are_rivals
from crossfade.kong_conf.reading import Reading, read_settings
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.sources import from_environment
from crossfade.kong_conf.told import Told, told_settings
from crossfade.proxy.included_servers import LARGEST_BYTES, VARIABLE, status_servers
from crossfade.proxy.kong_part import KongPart
from crossfade.proxy.variables import SettingsError, number_of

GATEWAY_STATUS_PORT: Final = 8100


def of_kong(environment: Mapping[str, str]) -> KongPart:
    """Raises SettingsError."""
    included, reading = _included(environment, _kong(environment))
    kong, told = reading.settings, _told(reading)
    return KongPart(
        kong.nginx_worker_processes,
        kong.log_level,
        kong.proxy_error_log,
        kong.dns_resolver,
        _with_included(_status(environment, kong), included),
        told.texts,
        told.remarks,
    )


def _kong(environment: Mapping[str, str]) -> Reading:
    """Of Kong's settings this process needs its workers and its log level; the controller is told the others."""
    database = environment.get("KONG_DATABASE")
    if database not in (None, "", "off"):
        raise SettingsError(
            f"KONG_DATABASE is {database!r}: there is no database here, so nothing of what it holds would be served; "
            "set it to off (the chart's value env.database), and bring the configuration over with `crossfade migrate`"
        )
    reading = read_settings([from_environment(environment)], KongSettings(nginx_worker_processes=1))
    if reading.errors:
        raise SettingsError("\n".join(reading.errors))
    return reading


def _status(environment: Mapping[str, str], kong: KongSettings) -> tuple[Listen, ...]:
    if kong.status_listen is not None:
        return kong.status_listen
    return (Listen("0.0.0.0", number_of(environment, "CROSSFADE_STATUS_PORT", GATEWAY_STATUS_PORT)),)


def _included(environment: Mapping[str, str], reading: Reading) -> tuple[tuple[Listen, ...], Reading]:
    """The status pages of Kong's older charts, of which then nothing has to be told."""
    path = environment.get(VARIABLE)
    if not path:
        return (), reading
    try:
        with Path(path).open(encoding="utf-8") as file:
            found = status_servers(file.read(LARGEST_BYTES))
    except (OSError, ValueError):
        return (), reading
    return found, reading._replace(remarks=tuple(one for one in reading.remarks if one.where != VARIABLE))


def _with_included(status: tuple[Listen, ...], included: tuple[Listen, ...]) -> tuple[Listen, ...]:
    return (*status, *(one for one in included if not any(are_rivals(one, other) for other in status)))


def _told(reading: Reading) -> Told:
    try:
        told = told_settings(reading)
    except ValueError as problem:
        raise SettingsError(str(problem)) from None
    return told._replace(remarks=(*reading.remarks, *told.remarks))
