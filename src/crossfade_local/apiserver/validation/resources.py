"""Validation of a container's resource requests and limits."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, forbidden, invalid, required
from crossfade_local.apiserver.validation.shapes import NEGATIVE
from crossfade_local.quantity import QuantityError, canonical, parse
from crossfade_local.values.fields import mapping

_SHARED: Final = ("cpu", "memory", "ephemeral-storage")
"""Of these a node may promise more than it has; all other resources come in whole numbers."""
_HUGE_PAGES: Final = "hugepages-"


def validate_resources(field: str, resources: JsonObject) -> Iterator[FieldError]:
    limits, requests = mapping(resources, "limits"), mapping(resources, "requests")
    for name in sorted(limits):
        yield from _validate_amount(f"{field}.limits[{name}]", name, limits[name])
    for name in sorted(requests):
        errors = list(_validate_amount(f"{field}.requests[{name}]", name, requests[name]))
        yield from errors
        if not errors:
            yield from _validate_request(field, name, requests[name], limits)
    used = {*limits, *requests}
    if any(name.startswith(_HUGE_PAGES) for name in used) and not used & {"cpu", "memory"}:
        yield forbidden(field, "HugePages require cpu or memory")


def _validate_request(field: str, name: str, request: Any, limits: JsonObject) -> Iterator[FieldError]:
    """A request that is good in itself; Kubernetes reports these without its name."""
    if name not in limits:
        if name not in _SHARED:
            yield required(f"{field}.limits", "Limit must be set for non overcommitable resources")
        return
    try:
        limit = parse(limits[name])
    except QuantityError:
        return
    if parse(request) != limit and name not in _SHARED:
        said = f"must be equal to {name} limit of {canonical(limits[name])}"
        yield invalid(f"{field}.requests", canonical(request), said)
    elif parse(request) > limit:
        said = f"must be less than or equal to {name} limit of {canonical(limits[name])}"
        yield invalid(f"{field}.requests", canonical(request), said)


def _validate_amount(field: str, name: str, amount: Any) -> Iterator[FieldError]:
    yield from _validate_name(field, name)
    try:
        size = parse(amount)
    except QuantityError as error:
        yield invalid(field, amount, str(error))
        return
    if size < 0:
        yield invalid(field, canonical(amount), NEGATIVE)
    if "/" in name and size.denominator != 1:
        yield invalid(field, canonical(amount), "must be an integer")
    if name.startswith(_HUGE_PAGES):
        yield from _validate_pages(field, name, amount)


def _validate_name(field: str, name: str) -> Iterator[FieldError]:
    problems = names.qualified_name(name)
    yield from each(field, name, problems)
    if problems:
        return
    if "/" not in name and name not in _SHARED and not name.startswith(_HUGE_PAGES):
        yield invalid(field, name, "must be a standard resource type or fully qualified")
        yield invalid(field, name, "must be a standard resource for containers")
    elif "/" in name and name.startswith("requests."):
        yield invalid(field, name, "doesn't follow extended resource name standard")


def _validate_pages(field: str, name: str, amount: Any) -> Iterator[FieldError]:
    try:
        page = parse(name.removeprefix(_HUGE_PAGES))
    except QuantityError:
        return
    if page > 0 and parse(amount) % page:
        said = f"{canonical(amount)} is not positive integer multiple of {name}"
        yield invalid(field, canonical(amount), said)
