"""Settings that a gateway's proxy has in its own environment and tells the controller, as texts by name.

Kong's chart sets `KONG_*` on the container `proxy` alone, while it is the controller that carries most of them out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from crossfade.kong_conf.files import TEMPLATES, check_authorities, with_files_read
from crossfade.kong_conf.listen import are_rivals
from crossfade.kong_conf.reading import Reading, Remark, read_settings
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.sources import Given
from crossfade.kong_conf.table import BY_NAME

LARGEST_BYTES: Final = 256 << 10
"""Of all names and texts together."""
CARRIED_OUT_BY_PROXY: Final = frozenset(
    {"nginx_worker_processes", "log_level", "status_listen", "proxy_error_log", "dns_resolver"}
)
_OF_CONTROLLER: Final = {
    "ssl_cert": "its key would have to be told too",
    "client_ssl_cert": "its key would have to be told too",
    "admin_listen": "the controller serves the Admin API",
    "admin_ssl_cert": "the controller serves the Admin API",
    "vault_env_prefix": "the variables are those of the controller's container",
}
_SECRET: Final = "secrets are not told"  # noqa: S105 - a reason, not a secret
_WHERE: Final = "of the container proxy"


class Told(NamedTuple):
    """`remarks` are on those that only the controller's own environment can set."""

    texts: Mapping[str, str]
    remarks: tuple[Remark, ...] = ()


class Merged(NamedTuple):
    settings: KongSettings
    remarks: tuple[Remark, ...] = ()


def told_settings(reading: Reading) -> Told:
    """What a proxy tells of what it has read; templates as texts. Raises ValueError when files or size forbid it."""
    own = {name: given for name, given in reading.given.items() if name not in CARRIED_OUT_BY_PROXY}
    texts = {name: given.text for name, given in own.items() if _reason_against(name) is None}
    files: dict[str, Any] = {name: texts[name] for name in TEMPLATES if name in texts}
    with_files = with_files_read(KongSettings(**files))
    texts |= {name: getattr(with_files, name) for name in files}
    check_authorities(reading.settings)
    size = size_of(texts.items())
    if size > LARGEST_BYTES:
        raise ValueError(f"the settings KONG_* have {size} bytes together; {LARGEST_BYTES} can be told the controller")
    return Told(texts, tuple(_untold(name, given) for name, given in own.items() if _reason_against(name)))


def misplaced(reading: Reading) -> Iterator[Remark]:
    """On settings of the controller's own environment that only the proxy's can set."""
    for name in sorted(CARRIED_OUT_BY_PROXY & reading.given.keys()):
        yield Remark(reading.given[name].where, "has no effect on this container: set it on the container proxy")


def settings_of_controller() -> list[str]:
    """Those that only the controller's own environment can set."""
    return sorted(name for name in BY_NAME if name not in CARRIED_OUT_BY_PROXY and _reason_against(name) is not None)


def size_of(texts: Iterable[tuple[str, str]]) -> int:
    return sum(len(name.encode()) + len(text.encode()) for name, text in texts)


def read_told(texts: Mapping[str, str]) -> Reading:
    """Whatever a proxy may say: only what a proxy can tell is read. `errors` say why nothing of it can be used."""
    return read_settings(
        [
            {
                name: Given(text, f"KONG_{name.upper()} {_WHERE}")
                for name, text in sorted(texts.items())
                if name in BY_NAME and name not in CARRIED_OUT_BY_PROXY and _reason_against(name) is None
            }
        ]
    )


def merged(own: KongSettings, own_names: frozenset[str], told: Reading) -> Merged:
    """What the controller was given itself counts. Raises ValueError when both together make no sense."""
    values: dict[str, Any] = {name: getattr(told.settings, name) for name in told.given if name not in own_names}
    settings = own._replace(**values)
    for stream in settings.stream_listen:
        if any(are_rivals(stream, listen) for listen in settings.proxy_listen):
            raise ValueError(f"stream_listen names {stream}, which proxy_listen takes: choose another port")
    return Merged(settings, (*told.remarks, *_contradictions(own, own_names, told)))


def _contradictions(own: KongSettings, own_names: frozenset[str], told: Reading) -> Iterator[Remark]:
    for name in sorted(own_names & told.given.keys()):
        if getattr(own, name) != getattr(told.settings, name):
            where = told.given[name].where
            yield Remark(where, "has no effect: the controller's own environment sets it otherwise, and that counts")


def _reason_against(name: str) -> str | None:
    return _SECRET if BY_NAME[name].is_secret else _OF_CONTROLLER.get(name)


def _untold(name: str, given: Given) -> Remark:
    text = f"has no effect on this container: {_reason_against(name)}; set it on the container ingress-controller"
    return Remark(given.where, text)
