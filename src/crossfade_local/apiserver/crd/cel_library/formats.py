"""Named formats of Kubernetes' texts, with what is wrong with one that does not fit."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from cel import OptionalValue

from crossfade_local.apiserver.crd.cel_library.urls import is_url
from crossfade_local.apiserver.crd.cel_library.values import content_of, made, text
from crossfade_local.apiserver.crd.formats import FORMATS
from crossfade_local.apiserver.validation import names

_KIND: Final = "format"


def _known(name: str, fault: str) -> Callable[[str], list[str]]:
    return lambda value: [] if FORMATS[name](value) else [fault]


def _dns1035_prefix(value: str) -> list[str]:
    return names.dns1035_label(value[:-1] + "a" if value.endswith("-") else value)


_CHECKS: Final[dict[str, Callable[[str], list[str]]]] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns1035_label,
    "qualifiedName": names.qualified_name,
    "dns1123LabelPrefix": partial(names.label_name, prefix=True),
    "dns1123SubdomainPrefix": partial(names.subdomain_name, prefix=True),
    "dns1035LabelPrefix": _dns1035_prefix,
    "labelValue": names.label_value,
    "uri": lambda value: [] if is_url(value) else [f'parse "{value}": invalid URI for request'],
    "uuid": _known("uuid", "does not match the UUID format"),
    "byte": _known("byte", "invalid base64"),
    "date": _known("date", "invalid date"),
    "datetime": _known("datetime", "invalid datetime"),
}


def _named(name: Any) -> OptionalValue:
    return OptionalValue.of(made(_KIND, name)) if text(name) in _CHECKS else OptionalValue.none()


def _validate(which: Any, value: Any) -> OptionalValue:
    problems = _CHECKS[content_of(_KIND, which)](text(value))
    return OptionalValue.of(problems) if problems else OptionalValue.none()


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "format.named": _named,
    "validate": _validate,
    **{f"format.{name}": (lambda name=name: made(_KIND, name)) for name in _CHECKS},
}
