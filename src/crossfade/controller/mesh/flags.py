"""The flags of App Mesh's controller, read as it did: from arguments to typed values, with a remark on what is ignored.

`--flag=value` and `--flag value`; a switch without value is on; the last of several counts; an empty value is none.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from crossfade.controller.mesh import webhook_tls
from crossfade.controller.mesh.flag_table import BY_NAME, IGNORED, IGNORED_BY_NAME, SWITCHES, TRACERS, Ignored
from crossfade.controller.mesh.flag_values import switch
from crossfade.inject.resources import quantity

_LONGEST_SHOWN: Final = 80
_MOST_SHOWN: Final = 20
_ONE_TRACER: Final = "Envoy only supports a single tracer instance. Please choose between Jaeger, Datadog or X-Ray."
_RESOURCES: Final = ("cpu", "memory")


class Remark(NamedTuple):
    """On a flag that does less than its author may think."""

    flag: str
    text: str


class Flags(NamedTuple):
    """`values` are typed, by name without dashes. `unknown` are what no flag is, as people can look for it."""

    values: Mapping[str, object] = {}
    remarks: tuple[Remark, ...] = ()
    unknown: tuple[str, ...] = ()


class _Arguments(NamedTuple):
    texts: dict[str, str]
    unknown: list[str]


def read_flags(arguments: Sequence[str]) -> Flags:
    """Raises ValueError, a line for each flag that is wrong. A program's name before the flags is ignored."""
    given = _arguments(arguments)
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, text in given.texts.items():
        if text and name in BY_NAME:
            try:
                values[name] = BY_NAME[name].read(text)
            except ValueError as problem:
                problems.append(f"--{name} is {_shown(text)}: {problem}")
    problems += _contradictions(given.texts, values)
    if problems:
        raise ValueError("\n".join(problems))
    return Flags(values, tuple(_remarks(given.texts)), tuple(_named(given.unknown)))


def _arguments(arguments: Sequence[str]) -> _Arguments:
    found = _Arguments({}, [])
    rest = list(reversed(arguments))
    if rest and not rest[-1].startswith("-"):
        rest.pop()
    while rest:
        argument = rest.pop()
        name, has_value, text = argument.removeprefix("--").partition("=")
        if argument == "--":
            found.unknown.extend(reversed(rest))
            break
        if not argument.startswith("--") or (name not in BY_NAME and name not in IGNORED_BY_NAME):
            found.unknown.append(argument)
            if argument.startswith("-") and not has_value and rest and not rest[-1].startswith("-"):
                # Its value, as far as one can tell.
                rest.pop()
        elif has_value:
            found.texts[name] = text.strip()
        elif name in SWITCHES:
            found.texts[name] = "true"
        elif rest:
            found.texts[name] = rest.pop().strip()
        else:
            raise ValueError(f"--{name} has no value: write --{name}=VALUE")
    return found


def _contradictions(texts: Mapping[str, str], values: Mapping[str, object]) -> Iterator[str]:
    if sum(_is_on(texts.get(name, "")) for name in TRACERS) > 1:
        yield f"{' '.join(f'--{name}' for name in TRACERS if _is_on(texts.get(name, '')))}: {_ONE_TRACER}"
    for resource in _RESOURCES:
        request, limit = f"sidecar-{resource}-requests", f"sidecar-{resource}-limits"
        asked, most = (str(values.get(name) or BY_NAME[name].default) for name in (request, limit))
        if most and quantity(asked) > quantity(most):
            yield f"--{request} is {_shown(asked)}: it must not be more than --{limit}, which is {_shown(most)}"


def _remarks(texts: Mapping[str, str]) -> Iterator[Remark]:
    for flag in IGNORED:
        if flag.of not in texts and _says_more(flag, texts.get(flag.name, "")):
            yield Remark(f"--{flag.name}", f"has no effect: {flag.reason}")
    if texts.get("tls-min-version") in webhook_tls.OLDER_THAN_SERVED:
        yield Remark("--tls-min-version", "counts as VersionTLS12: nothing older is served")
    if left_out := webhook_tls.not_served(texts.get("tls-cipher-suite", "")):
        reason = "they have no forward secrecy, or are broken"
        yield Remark("--tls-cipher-suite", f"without {', '.join(left_out)}: {reason}")


def _says_more(flag: Ignored, text: str) -> bool:
    """Than what App Mesh's controller did without it."""
    if flag.of or not text:
        return False
    return _is_on(text) != _is_on(flag.original) if flag.is_switch else text != flag.original


def _is_on(text: str) -> bool:
    try:
        return bool(text) and switch(text)
    except ValueError:
        return False


def _named(unknown: Sequence[str]) -> Iterator[str]:
    """Without values, which may be secrets; with the nearest flag that there is."""
    known = [*BY_NAME, *IGNORED_BY_NAME]
    for argument in unknown[:_MOST_SHOWN]:
        name = argument.partition("=")[0]
        shown = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"
        near = difflib.get_close_matches(shown.lstrip("-"), known, n=1) if name.startswith("-") else []
        yield f"{shown} (did you mean --{near[0]}?)" if near and f"--{near[0]}" != name else shown
    if len(unknown) > _MOST_SHOWN:
        yield f"and {len(unknown) - _MOST_SHOWN} more"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
