"""What a proxy takes of Kong's settings. Standard library only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from crossfade.proxy.envoy_command import STDERR

if TYPE_CHECKING:
    from crossfade.kong_conf.listen import Listen
    from crossfade.kong_conf.reading import Remark


class KongPart(NamedTuple):
    """The defaults are a sidecar's.

    `workers` 0 stands for one a processor; `status` is where status pages are asked for; `told` are the settings that
    the controller carries out, `remarks` are on others.
    """

    workers: int = 1
    log_level: str | None = None
    log_path: str = STDERR
    name_servers: tuple[tuple[str, int], ...] = ()
    status: "tuple[Listen, ...]" = ()
    told: Mapping[str, str] = MappingProxyType({})
    remarks: "tuple[Remark, ...]" = ()
