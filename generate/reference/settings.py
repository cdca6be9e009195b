"""The page on Kong's settings: what each does here, or why it does nothing."""

from crossfade.kong_conf.table import ALIASES, TABLE, Setting
from crossfade.kong_conf.told import CARRIED_OUT_BY_PROXY, settings_of_controller
from crossfade.kong_conf.without_effect import FAMILIES, REASONS
from generate.reference.markdown import code, page, table

_INTRODUCTION = """\
# Kong's settings

What Kong reads from `kong.conf` and from the environment (`KONG_<NAME>`), this gateway reads too:

- `crossfade gateway run`: from the environment, and with `--kong-conf FILE` from Kong's file. Options of the command go
  before the environment, that goes before the file.
- in a cluster: from the environment of the container `proxy`, where Kong's chart sets them, or of `ingress-controller`,
  which goes before; what both say differently is logged once. Templates that the container `proxy` names are files of
  its own. There `port_maps` is `80:8000, 443:8443` and `nginx_worker_processes` 1 unless they are set.
  - Read on `ingress-controller` alone, and no secret is ever handed over: {of_controller}.
  - Read on `proxy` alone: {of_proxy}.

A wrong value ends the start, with the setting, the value and what is allowed. A setting without effect is told once,
and so is a name that Kong does not have either, with the nearest one that it has. Values are taken neither from vaults
nor from `*_FILE`.

How to use them: [behind a load balancer](../how-to/behind-a-load-balancer.md)."""


def settings_page() -> str:
    with_effect = sorted(TABLE, key=lambda setting: setting.name)
    rows = [(code(one.name), _default(one), one.effect) for one in with_effect]
    aliases = [(code(name), code(setting)) for name, setting in sorted(ALIASES.items())]
    reasons = [(code(name), reason) for name, reason in sorted(REASONS.items())]
    families = [(code(f"{beginning}*"), reason) for beginning, reason in FAMILIES]
    return page(
        _INTRODUCTION.format(
            of_controller=", ".join(map(code, settings_of_controller())),
            of_proxy=", ".join(map(code, sorted(CARRIED_OUT_BY_PROXY))),
        ),
        "## With an effect",
        table(("setting", "default", "effect"), rows),
        "## Other names",
        table(("name", "setting"), aliases),
        "## Without effect",
        table(("setting", "reason"), reasons),
        "All others that begin so:",
        table(("settings", "reason"), families),
    )


def _default(setting: Setting) -> str:
    return code(setting.default) if setting.default else ""
