"""Validation of a pod's volumes; what is in their sources is in `volume_sources`."""

from collections.abc import Iterator

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, duplicate, each, forbidden, required
from crossfade_local.apiserver.validation.volume_sources import SOURCES
from crossfade_local.values.fields import text

Volumes = dict[str, JsonObject]
"""By name, those without errors."""


def validate_volumes(field: str, volumes: list[JsonObject], pod_name: str | None) -> tuple[Volumes, list[FieldError]]:
    """The good volumes (others can't be mounted), and what is wrong with the rest. `pod_name` is None in a template."""
    good: Volumes = {}
    errors: list[FieldError] = []
    for index, volume in enumerate(volumes):
        found = list(_validate_volume(f"{field}[{index}]", volume, good, pod_name))
        errors += found
        if not found:
            good[text(volume, "name")] = volume
    return good, errors


def _validate_volume(field: str, volume: JsonObject, taken: Volumes, pod_name: str | None) -> Iterator[FieldError]:
    yield from _validate_source(field, volume)
    name = text(volume, "name")
    if pod_name is not None and isinstance(volume.get("image"), dict) and not text(volume, "image", "reference"):
        yield required(f"{field}.image.reference")
    if isinstance(volume.get("ephemeral"), dict) and pod_name and name:
        claim = f"{pod_name}-{name}"
        problems = names.dns_subdomain(claim)
        yield from each(f"{field}.name", name, (f'PVC name "{claim}": {problem}' for problem in problems))
    if not name:
        yield required(f"{field}.name")
    else:
        yield from each(f"{field}.name", name, names.dns_label(name))
    if name in taken:
        yield duplicate(f"{field}.name", name)


def _validate_source(field: str, volume: JsonObject) -> Iterator[FieldError]:
    sources = [name for name in SOURCES if isinstance(volume.get(name), dict)]
    if not sources:
        yield required(field, "must specify a volume type")
    for position, name in enumerate(sources):
        if position:
            yield forbidden(f"{field}.{name}", "may not specify more than 1 volume type")
        else:
            yield from SOURCES[name](f"{field}.{name}", volume[name])
