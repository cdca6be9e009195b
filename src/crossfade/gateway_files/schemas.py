"""The structural schemas of the kinds that come with the gateway, compiled when the first object of a kind is seen."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from crossfade_kube.meta import JsonObject, Resource

if TYPE_CHECKING:
    import jsonschema_rs


class Schemas:
    """`load` gives a kind's CustomResourceDefinition, None for kinds that have none."""

    def __init__(self, load: Callable[[Resource], JsonObject | None]) -> None:
        self._load = load
        self._validators: dict[Resource, jsonschema_rs.Validator | None] = {}

    def problems(self, kind: Resource, obj: JsonObject) -> Iterator[tuple[str, str]]:
        """Field and text."""
        if kind not in self._validators:
            self._validators[kind] = self._compiled(kind)
        validator = self._validators[kind]
        for error in validator.iter_errors(obj) if validator is not None else ():
            yield _path(error.instance_path), error.message

    def _compiled(self, kind: Resource) -> "jsonschema_rs.Validator | None":
        crd = self._load(kind)
        if crd is None:
            return None
        import jsonschema_rs

        (version,) = (each for each in crd["spec"]["versions"] if each["name"] == kind.version)
        # Not the value itself, which may be long, or secret.
        return jsonschema_rs.validator_for(version["schema"]["openAPIV3Schema"], mask="the value")


def _path(steps: list[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
