"""The page on the settings of the mesh's controller: flags of App Mesh's, and variables."""

from typing import Final

from crossfade.controller.mesh.flag_table import FLAGS, IGNORED, Flag
from crossfade.controller.mesh.settings import VARIABLES
from generate.reference.markdown import code, page, table

_INTRODUCTION: Final = """\
# Settings of the mesh's controller

`crossfade controller mesh [FLAGS]` takes the flags of App Mesh's controller 1.13.3, as its chart gives them to the
program `/controller`: `--flag=value` or `--flag value`, switches also without a value, of several the last. An empty
value is none, and a program's name before the flags is ignored. Flags go before the environment.

A wrong value ends the start, with the flag, the value and what is allowed; so do two tracers at once, and a request for
more of a resource than its limit. A flag without effect is told once, unless it asks for what App Mesh's controller did
by itself. Flags that do not exist are named in one warning and ignored; their values, which may be secrets, are not
shown."""


def mesh_settings_page() -> str:
    with_effect = sorted(FLAGS, key=lambda flag: flag.name)
    without_effect = sorted(IGNORED, key=lambda flag: flag.name)
    return page(
        _INTRODUCTION,
        "## With an effect",
        table(("flag", "default", "App Mesh's default", "effect", "variable"), map(_row, with_effect)),
        "## Without effect",
        table(("flag", "reason"), ((code(f"--{one.name}"), one.reason) for one in without_effect)),
        "## Variables",
        "Besides those of the first table:",
        table(("variable", "effect"), ((code(name), effect) for name, effect in VARIABLES.items())),
    )


def _row(flag: Flag) -> tuple[str, ...]:
    defaults = (code(text) if text else "" for text in (flag.default, flag.original))
    return (code(f"--{flag.name}"), *defaults, flag.effect, code(flag.variable) if flag.variable else "")
