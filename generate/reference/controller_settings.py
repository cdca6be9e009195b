"""The page on the flags of the gateway's controller, which are Kong's."""

from typing import Final

from crossfade.controller.gateway.flags import EFFECTIVE, FAMILIES, REFUSED, WITHOUT_EFFECT, variable
from generate.reference.markdown import code, page, table

_INTRODUCTION: Final = """\
# Settings of the gateway's controller

`crossfade controller --role gateway [FLAGS]` takes the flags of Kong's ingress controllers 1.0 to 3.5, and each of
them as a variable `CONTROLLER_*`, as Kong's charts set them by `ingressController.env.*`. A flag goes before its
variable. A wrong value ends the start, with the variable and what is allowed. What has no effect, or is not known, is
named once in the log. Kong's own settings, `KONG_*`, are [on another page](kong-settings.md)."""


def controller_settings_page() -> str:
    families = ((f"--{start}", f"{reason} (all that begin so)") for start, reason in FAMILIES)
    idle = sorted((f"--{flag}", reason) for flag, reason in WITHOUT_EFFECT.items())
    return page(
        _INTRODUCTION,
        "## With an effect",
        table(
            ("flag", "variable", "effect"),
            ((code(f"--{flag}"), code(variable(flag)), effect) for flag, effect in sorted(EFFECTIVE.items())),
        ),
        "## Refused",
        "To leave these out would change whose objects are served, or serve nobody.",
        table(("flag", "reason"), ((code(f"--{flag}"), reason) for flag, reason in sorted(REFUSED.items()))),
        "## Without effect",
        table(("flag", "reason"), ((code(flag), reason) for flag, reason in (*idle, *sorted(families)))),
    )
