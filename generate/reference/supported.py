"""The page of everything that is read: plugins, annotations, kinds and their fields."""

from collections.abc import Iterable
from typing import Any, Final

from crossfade.admission.kong import WITHOUT_EFFECT
from crossfade.api.annotation import Annotation
from crossfade.compile.gateway.annotation_table import ANNOTATIONS, LABELS
from crossfade.compile.gateway.annotations import LEGACY_KEYS
from crossfade.compile.mesh.annotation_table import MESH_ANNOTATIONS
from crossfade.inject.annotation_table import POD_ANNOTATIONS
from generate.reference import field_notes
from generate.reference.definition_fields import FieldOfKind, fields_of
from generate.reference.kinds import APP_MESH, KONG, KUBERNETES, KubernetesKind, schema_of
from generate.reference.markdown import code, page, table
from generate.reference.plugin_pages import in_order

_LEAD: Final = (
    "What this version reads, field by field. Fields without effect can be written, so that manifests apply unchanged;"
    ' where the reason says "told", the author reads of it, as of all that is refused: from admission, in a condition'
    " or an Event of the object, and from `crossfade gateway run` on stderr. Of annotations without effect all are"
    " told but `konghq.com/tags`."
)


def supported_page() -> str:
    return page(
        "# What is supported",
        _LEAD,
        "## Plugins",
        _plugins(),
        "## Annotations of the gateway",
        _annotations(ANNOTATIONS),
        "Without effect:",
        _without_effect(ANNOTATIONS),
        "Names of Kong 1.0, which are still read, with a warning:",
        table(("old name", "read as"), [(code(old), code(new)) for old, new in LEGACY_KEYS.items()]),
        "## Labels of the gateway",
        _annotations(LABELS),
        "## Annotations of pods in a mesh",
        _annotations(POD_ANNOTATIONS),
        "## Annotations of a mesh",
        _annotations(MESH_ANNOTATIONS),
        "## Kubernetes",
        "Ingresses of `extensions/v1beta1` and `networking.k8s.io/v1beta1` are read too.",
        *(_kubernetes_kind(kind) for kind in KUBERNETES),
        "## Kong",
        *(_own_kind(kind) for kind in KONG),
        "### Kinds without effect",
        "They can be applied; their authors are told.",
        table(("kind", "what follows"), sorted((code(kind), effect) for kind, effect in WITHOUT_EFFECT.items())),
        "## App Mesh",
        "A duration has a `unit` (`s` or `ms`) and a `value`. A reference needs no `namespace` within its own.",
        *(_own_kind(kind) for kind in APP_MESH),
    )


def fields_by_effect(kind: type[Any]) -> tuple[list[FieldOfKind], list[tuple[FieldOfKind, str]]]:
    """Those with an effect, and those without and why."""
    name = kind.RESOURCE.kind
    effective: list[FieldOfKind] = []
    ignored: list[tuple[FieldOfKind, str]] = []
    for field in fields_of(kind, schema_of(kind), lambda path: field_notes.reason(name, path) is not None):
        reason = field_notes.reason(name, field.path)
        if reason is None:
            effective.append(field)
        else:
            ignored.append((field, reason))
    return effective, ignored


def _plugins() -> str:
    links = ", ".join(f"[{plugin.name}](plugins/{plugin.name}.md)" for plugin in in_order())
    return f"In the order in which they see a request ([more](plugins/README.md)): {links}."


def _annotations(given: Iterable[Annotation]) -> str:
    rows = [
        (code(_shown(one.key)), ", ".join(one.objects), one.values, one.default, one.effect)
        for one in given
        if not one.why_not
    ]
    return table(("key", "on", "values", "default", "effect"), rows)


def _without_effect(given: Iterable[Annotation]) -> str:
    rows = [(code(one.key), ", ".join(one.objects) or "anything", one.why_not) for one in given if one.why_not]
    return table(("key", "on", "reason"), rows)


def _shown(key: str) -> str:
    return f"{key}<name>" if key.endswith(".") else key


def _kubernetes_kind(one: KubernetesKind) -> str:
    return page(
        _heading(one.kind),
        table(("field", "effect"), [(code(path), text) for path, text in one.fields.items()]),
        _refused([(code(path), text) for path, text in one.refused.items()]),
    )


def _own_kind(kind: type[Any]) -> str:
    name = kind.RESOURCE.kind
    effective, ignored = fields_by_effect(kind)
    rows = [
        (code(field.path), field.values, field_notes.meaning(name, field.path) or field.description.rstrip("."))
        for field in effective
    ]
    return page(
        _heading(kind),
        schema_of(kind).get("description", ""),
        table(("field", "values", ""), rows),
        _refused([(code(field.path), reason) for field, reason in ignored]),
    )


def _refused(rows: list[tuple[str, str]]) -> str:
    return page("Without effect:", table(("field", "reason"), rows)) if rows else ""


def _heading(kind: type[Any]) -> str:
    return f"### {kind.RESOURCE.kind}\n\n`{kind.RESOURCE.api_version}`"
