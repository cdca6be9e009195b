"""From texts to typed settings, with a remark on each text that is wrong, unknown or without effect."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from crossfade.kong_conf.listen import are_rivals
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.sources import Given
from crossfade.kong_conf.table import ALIASES, BY_NAME
from crossfade.kong_conf.tls import CUSTOM
from crossfade.kong_conf.without_effect import REASONS, reason_without_effect

_VAULT: Final = "{vault://"
_LONGEST_SHOWN: Final = 80
_WITHOUT_CUSTOM: Final = "has no effect: ssl_cipher_suite decides, unless it is custom"


class Remark(NamedTuple):
    """With `is_error` nothing may start."""

    where: str
    text: str
    is_error: bool = False


class Reading(NamedTuple):
    """`given` are the texts that `settings` were read from, by the setting's own name."""

    settings: KongSettings
    remarks: tuple[Remark, ...]
    given: Mapping[str, Given] = MappingProxyType({})

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(f"{remark.where} {remark.text}" for remark in self.remarks if remark.is_error)


def read_settings(sources: Sequence[Mapping[str, Given]], base: KongSettings | None = None) -> Reading:
    """Of several sources the first that has a setting counts. An empty text leaves `base` as it is."""
    texts: dict[str, Given] = {}
    for source in sources:
        for name, given in source.items():
            texts.setdefault(ALIASES.get(name, name), given)
    values: dict[str, Any] = {}
    remarks = []
    for name, given in texts.items():
        if name not in BY_NAME:
            remarks.append(_remark_on(name, given))
        elif given.text:
            try:
                values[name] = _value(name, given)
            except ValueError as problem:
                remarks.append(Remark(given.where, f"is {_shown(name, given)}: {problem}", is_error=True))
    settings = (KongSettings() if base is None else base)._replace(**values)
    if "stream_listen" in values:
        remarks += _twice(settings, texts["stream_listen"].where)
    if settings.ssl_cipher_suite != CUSTOM:
        remarks += [
            Remark(texts[name].where, _WITHOUT_CUSTOM) for name in ("ssl_protocols", "ssl_ciphers") if name in values
        ]
    return Reading(settings, tuple(remarks), {name: texts[name] for name in values})


def _twice(settings: KongSettings, where: str) -> Iterator[Remark]:
    for stream in settings.stream_listen:
        if any(are_rivals(stream, listen) for listen in settings.proxy_listen):
            yield Remark(where, f"names {stream}, which proxy_listen takes: choose another port", is_error=True)


def _value(name: str, given: Given) -> object:
    if given.text.startswith(_VAULT):
        raise ValueError("references are resolved in objects only; give the value itself")
    return BY_NAME[name].read(given.text)


def _shown(name: str, given: Given) -> str:
    if BY_NAME[name].is_secret:
        return "not usable"
    text = repr(given.text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _remark_on(name: str, given: Given) -> Remark:
    of_file = name.removesuffix("_file")
    if of_file != name and of_file in BY_NAME:
        return Remark(given.where, f"is not read: no values are taken from files; set {of_file} itself", is_error=True)
    reason = reason_without_effect(name)
    if reason is not None:
        return Remark(given.where, f"has no effect: {reason}")
    near = difflib.get_close_matches(name, list(_known()), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Remark(given.where, f"has no effect: there is no setting {name}{hint}")


def _known() -> Iterator[str]:
    yield from BY_NAME
    yield from ALIASES
    yield from REASONS
