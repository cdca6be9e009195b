"""One document → the objects in it: typed, or everything that is wrong with each. No files, no clock.

What is wrong with one object concerns no other, not even in the same list.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from crossfade.api.kong.plugin import AnyKongPlugin, ConfigSource, KongClusterPlugin, KongPlugin
from crossfade.compile.diagnostics import Severity
from crossfade.gateway_files.documents import loaded, unusable
from crossfade.gateway_files.reading import BETA_INGRESS, Problem, Reading
from crossfade.gateway_files.unknown_fields import UnknownField
from crossfade_kube.meta import JsonObject, ObjectMeta, ObjectRef
from crossfade_kube.registry import DecodeError, decode

_PLUGINS: Final[Mapping[str, type[AnyKongPlugin]]] = {"KongPlugin": KongPlugin, "KongClusterPlugin": KongClusterPlugin}


class Found(Struct, frozen=True, eq=False):
    """One object as it stands in a document, at `position` (indices into nested lists' `items`).

    `ref` is without uid; None for what does not say what it is. `item` is None when the object is refused or has no
    effect; then `closing` is what takes the place of a plugin, lest routes that refer to it are served without it.
    `fault` is a bug of ours.
    """

    position: tuple[int, ...]
    ref: ObjectRef | None
    item: Any = None
    closing: AnyKongPlugin | None = None
    problems: tuple[Problem, ...] = ()
    fault: Exception | None = None

    @property
    def is_refused(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def objects_of(text: str, reading: Reading, *, is_json: bool = False) -> tuple[Found, ...]:
    """All objects of a document's text, those of lists too. Raises SyntaxTrouble."""
    found: list[Found] = []
    for value in loaded(text, is_json=is_json):
        trouble = unusable(text, value)
        if trouble is None:
            found += (_isolated(position, item, reading) for position, item in _items(value, ()))
        else:
            found.append(_unusable(value, Problem(*trouble), reading))
    return tuple(found)


def _items(value: Any, position: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    if value is None:
        return
    if isinstance(value, dict) and str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield from _items(item, (*position, index))
    else:
        yield position, value


def _unusable(value: Any, problem: Problem, reading: Reading) -> Found:
    ref = _ref(value, reading) if isinstance(value, dict) else None
    return Found((), ref, closing=_closing(value, ref), problems=(problem,))


def _isolated(position: tuple[int, ...], value: Any, reading: Reading) -> Found:
    if not isinstance(value, dict):
        return Found(position, None, problems=(Problem("", f"this is a {type(value).__name__}, not an object"),))
    try:
        return _found(position, value, reading)
    except Exception as exc:
        # Not the exception's text: it may quote a Secret.
        problem = Problem("", f"a fault in Crossfade ({type(exc).__name__}) keeps it from being read", "report this")
        ref = _ref(value, reading)
        return Found(position, ref, closing=_closing(value, ref), problems=(problem,), fault=exc)


def _found(position: tuple[int, ...], value: JsonObject, reading: Reading) -> Found:
    ref = _ref(value, reading)
    if ref is None:
        return Found(position, None, problems=(Problem("", _what_is_missing(value)),))
    kind = reading.kinds.get((value["apiVersion"], value["kind"]))
    if kind is None:
        return Found(position, ref, problems=reading.foreign(ref))
    document = _as_stored(value, ref)
    try:
        item = decode(document, kind)
    except DecodeError as error:
        problem = Problem(error.field, error.problem)
        return Found(position, ref, closing=_closing(value, ref), problems=(problem,))
    wrong = [Problem(field, text) for field, text in reading.schemas.problems(item.RESOURCE, document)]
    unknown = [_unknown(each) for each in reading.schemas.unknown(item.RESOURCE, document)]
    problems = (*wrong, *unknown, *reading.rules(item, document))
    if not any(problem.severity is Severity.ERROR for problem in problems):
        return Found(position, ref, item, problems=problems)
    # What Kong's rules refuse the compiler refuses too, and says more about; it does not know the schemas.
    closing = item if isinstance(item, AnyKongPlugin) and not wrong else _closing(value, ref)
    return Found(position, ref, closing=closing, problems=problems)


def _unknown(field: UnknownField) -> Problem:
    text = "this kind has no such field, so it has no effect, and an API server drops it"
    return Problem(field.path, text, field.hint, Severity.WARNING, "field.unknown")


def _as_stored(value: JsonObject, ref: ObjectRef) -> JsonObject:
    """As the API server would have it."""
    if value["apiVersion"] in BETA_INGRESS and ref.kind == "Ingress":
        from crossfade_kube.core.ingress_v1beta1 import ingress_v1_from_v1beta1

        value = ingress_v1_from_v1beta1(value)
    present = {key: item for key, item in value.items() if item is not None}
    metadata = {key: item for key, item in present["metadata"].items() if item is not None}
    return _with_plain_secret({**present, "metadata": {**metadata, "namespace": ref.namespace}})


def _ref(value: JsonObject, reading: Reading) -> ObjectRef | None:
    """None unless it names a kind and itself. As kubectl: namespaced objects that name none are in `default`."""
    metadata = value.get("metadata")
    names = metadata if isinstance(metadata, dict) else {}
    api_version, kind, name = value.get("apiVersion"), value.get("kind"), names.get("name")
    if not isinstance(api_version, str) or not isinstance(kind, str) or not api_version or not kind:
        return None
    if not isinstance(name, str | int | float) or not str(name):
        return None
    namespace = names.get("namespace") if isinstance(names.get("namespace"), str) else ""
    known = reading.kinds.get((api_version, kind))
    if known is None:
        return ObjectRef(api_version, kind, namespace or "", str(name))
    resource = known.RESOURCE
    return ObjectRef(resource.api_version, kind, (namespace or "default") * resource.namespaced, str(name))


def _what_is_missing(value: JsonObject) -> str:
    if not value.get("apiVersion") or not value.get("kind"):
        return "an object without apiVersion and kind"
    return f"{value['kind']}: metadata.name is missing"


def _closing(value: Any, ref: ObjectRef | None) -> AnyKongPlugin | None:
    """A plugin of that name which the compiler is sure to refuse: it has two configurations."""
    kind = _PLUGINS.get(ref.kind) if ref is not None else None
    if kind is None or ref is None:
        return None
    metadata, plugin = value["metadata"], value.get("plugin")
    return kind(
        metadata=ObjectMeta(
            name=ref.name,
            namespace=ref.namespace,
            labels=_texts(metadata.get("labels")),
            annotations=_texts(metadata.get("annotations")),
        ),
        plugin=_text(plugin) if isinstance(plugin, str) else "",
        config={},
        config_from=ConfigSource(),
    )


def _texts(value: Any) -> dict[str, str]:
    """A label like `global: true` is wrong, and its author means "true"."""
    if not isinstance(value, dict):
        return {}
    plain = {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, str | int | float)}
    return {
        _text(key): str(item).lower() if isinstance(item, bool) else _text(str(item)) for key, item in plain.items()
    }


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


def _with_plain_secret(document: JsonObject) -> JsonObject:
    """As the API server: `stringData` overwrites `data`."""
    plain, data = document.get("stringData"), document.get("data") or {}
    if document.get("kind") != "Secret" or not isinstance(plain, Mapping) or not isinstance(data, Mapping):
        return document
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    rest = {key: value for key, value in document.items() if key != "stringData"}
    return {**rest, "data": {**data, **encoded}}
