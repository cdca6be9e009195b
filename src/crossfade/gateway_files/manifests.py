"""Manifest files → typed objects: one file's content, or everything that is wrong with it. No watching, no clock."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from crossfade.admission.kong import verdict_on
from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade_kube.meta import GroupVersionKind, JsonObject, ObjectRef
from crossfade_kube.registry import DecodeError, decode_known, kinds_by_gvk, ref_of

SUFFIXES: Final = (".yaml", ".yml", ".json")
# Manifests for a cluster hold these too; they mean nothing here and need no word.
_WITHOUT_MEANING: Final = frozenset({"Namespace", "ServiceAccount", "CustomResourceDefinition"})
_BETA_INGRESS: Final = frozenset({"extensions/v1beta1", "networking.k8s.io/v1beta1"})
_KINDS: Final = kinds_by_gvk(INPUT_KINDS)


class FileProblem(Struct, frozen=True, order=True):
    """`where` is an object and field, or a line; `is_fatal` keeps the file's content out."""

    path: str
    where: str
    message: str
    hint: str = ""
    is_fatal: bool = True

    def __str__(self) -> str:
        effect = "; the file's last valid content stays in use" if self.is_fatal else ""
        text = ": ".join(filter(None, (self.path, self.where, f"{self.message}{effect}")))
        return f"{text}\nhint: {self.hint}" if self.hint else text


class FileContent(Struct, frozen=True):
    """`objects` count only when no problem is fatal."""

    objects: tuple[Any, ...] = ()
    problems: tuple[FileProblem, ...] = ()

    @property
    def is_valid(self) -> bool:
        return not any(problem.is_fatal for problem in self.problems)


def parse_manifests(path: Path, text: str, schemas: "Schemas") -> FileContent:
    """Every document of a file; JSON is read as YAML."""
    try:
        documents = [item for document in _documents(text) for item in _items(document)]
    except (yaml.YAMLError, _NoObjectError) as error:
        return FileContent(problems=(FileProblem(str(path), *_yaml_trouble(error)),))
    objects: list[Any] = []
    problems: list[FileProblem] = []
    for document in documents:
        found, trouble = _object(path, document, schemas)
        problems += trouble
        if found is not None:
            objects.append(found)
    return FileContent(tuple(objects), tuple(problems))


class Schemas:
    """The CRDs' structural schemas, by apiVersion and kind."""

    def __init__(self, crds: Sequence[JsonObject]) -> None:
        import jsonschema_rs

        self._validators = {
            (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): jsonschema_rs.validator_for(
                version["schema"]["openAPIV3Schema"]
            )
            for crd in crds
            for version in crd["spec"]["versions"]
        }

    def problems(self, obj: JsonObject) -> Iterator[tuple[str, str]]:
        """Field and text."""
        validator = self._validators.get((str(obj.get("apiVersion")), str(obj.get("kind"))))
        if validator is not None:
            for error in validator.iter_errors(obj):
                yield ".".join(str(step) for step in error.instance_path), error.message


class _NoObjectError(Exception):
    """A document is something else than an object."""


def _documents(text: str) -> list[Any]:
    return list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _items(document: Any) -> Iterator[JsonObject]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise _NoObjectError(f"a document is {type(document).__name__}, not an object")
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _items(item)
    else:
        yield document


def _object(path: Path, document: JsonObject, schemas: Schemas) -> tuple[Any, list[FileProblem]]:
    if document.get("apiVersion") in _BETA_INGRESS and document.get("kind") == "Ingress":
        from crossfade_kube.core.ingress_v1beta1 import ingress_v1_from_v1beta1

        document = ingress_v1_from_v1beta1(document)
    present = {key: value for key, value in document.items() if value is not None}
    document = _with_namespace(_with_plain_secret(present))
    ref = ref_of(document)
    try:
        found = decode_known(document, _KINDS)
    except DecodeError as error:
        return None, [FileProblem(str(path), _place(ref, error.field), error.problem)]
    if found is None:
        return None, _foreign(path, ref)
    if not ref.name:
        return None, [FileProblem(str(path), f"{ref.kind or 'an object'}", "metadata.name is missing")]
    problems = [FileProblem(str(path), _place(ref, field), text) for field, text in schemas.problems(document)]
    verdict = verdict_on(document, {})
    problems += [FileProblem(str(path), _place(ref, item.field), item.message, item.hint) for item in verdict.problems]
    return found, problems


def _foreign(path: Path, ref: ObjectRef) -> list[FileProblem]:
    if ref.kind in _WITHOUT_MEANING:
        return []
    if not ref.kind or not ref.api_version:
        return [FileProblem(str(path), "", "an object without apiVersion and kind")]
    names = ", ".join(sorted({kind.RESOURCE.kind for kind in INPUT_KINDS}))
    text = f"{ref.api_version} {ref.kind} has no effect here"
    return [FileProblem(str(path), str(ref), text, f"the gateway reads {names}", is_fatal=False)]


def _place(ref: ObjectRef, field: str) -> str:
    return f"{ref}, {field}" if field else str(ref)


def _with_namespace(document: JsonObject) -> JsonObject:
    """As kubectl: namespaced objects that name none are in `default`."""
    group, _, version = str(document.get("apiVersion", "")).rpartition("/")
    kind = _KINDS.get(GroupVersionKind(group, version, str(document.get("kind"))))
    metadata = document.get("metadata")
    if kind is None or not isinstance(metadata, dict) or not kind.RESOURCE.namespaced:
        return document
    return {**document, "metadata": {**metadata, "namespace": metadata.get("namespace") or "default"}}


def _with_plain_secret(document: JsonObject) -> JsonObject:
    """As the API server: `stringData` overwrites `data`."""
    plain = document.get("stringData")
    if document.get("kind") != "Secret" or not isinstance(plain, Mapping):
        return document
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    rest = {key: value for key, value in document.items() if key != "stringData"}
    return {**rest, "data": {**(document.get("data") or {}), **encoded}}


def _yaml_trouble(error: Exception) -> tuple[str, str]:
    """Place and text; never the offending line itself, which may be a Secret's."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}", error.problem or "not valid YAML"
    return "", str(error)
