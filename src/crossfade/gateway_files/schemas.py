"""The structural schemas of the kinds that come with the gateway, compiled when the first object of a kind is seen."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from crossfade.gateway_files.unknown_fields import UnknownField, unknown_fields
from crossfade_kube.meta import JsonObject, Resource

if TYPE_CHECKING:
    import jsonschema_rs


class Schemas:
    """`load` gives a kind's CustomResourceDefinition, None for kinds that have none."""

    def __init__(self, load: Callable[[Resource], JsonObject | None]) -> None:
        self._load = load
        self._known: dict[Resource, _Known | None] = {}

    def problems(self, kind: Resource, obj: JsonObject) -> Iterator[tuple[str, str]]:
        """Field and text."""
        known = self._of(kind)
        for error in known.validator.iter_errors(obj) if known is not None else ():
            yield _path(error.instance_path), error.message

    def unknown(self, kind: Resource, obj: JsonObject) -> Iterator[UnknownField]:
        """What the kind does not have."""
        known = self._of(kind)
        return unknown_fields(obj, known.schema) if known is not None else iter(())

    def _of(self, kind: Resource) -> "_Known | None":
        if kind not in self._known:
            self._known[kind] = self._compiled(kind)
        return self._known[kind]

    def _compiled(self, kind: Resource) -> "_Known | None":
        crd = self._load(kind)
        if crd is None:
            return None
        import jsonschema_rs

        (version,) = (each for each in crd["spec"]["versions"] if each["name"] == kind.version)
        schema: JsonObject = version["schema"]["openAPIV3Schema"]
        # Not the value itself, which may be long, or secret.
        return _Known(schema, jsonschema_rs.validator_for(schema, mask="the value"))


class _Known(NamedTuple):
    schema: JsonObject
    validator: "jsonschema_rs.Validator"


def _path(steps: list[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
