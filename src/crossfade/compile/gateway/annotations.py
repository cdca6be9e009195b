"""Reading annotation values: lists, booleans and numbers as Kong's ingress controller reads them (kong.md §2)."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from crossfade.api.bounds import Bounds, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.annotation_table import ANYWHERE, OBJECTS_OF
from crossfade_kube.meta import ObjectRef

PREFIX: Final = "konghq.com/"
CLASS: Final = "kubernetes.io/ingress.class"
FORCE_SSL_REDIRECT: Final = "ingress.kubernetes.io/force-ssl-redirect"
SERVICE_UPSTREAM: Final = "ingress.kubernetes.io/service-upstream"
OVERRIDE: Final = "konghq.com/override"
UPSTREAM_POLICY: Final = "konghq.com/upstream-policy"
PLUGINS: Final = "konghq.com/plugins"
HEADERS_PREFIX: Final = "konghq.com/headers."
# Also where they mean nothing, their author is not asked to take them away.
_ANYWHERE: Final = frozenset({*(one.key for one in ANYWHERE), PLUGINS})

# Dropped by the controller's 1.0, still found in manifests; the new key wins.
LEGACY_KEYS: Final = {
    "configuration.konghq.com": OVERRIDE,
    "plugins.konghq.com": PLUGINS,
    "configuration.konghq.com/protocols": "konghq.com/protocols",
    "configuration.konghq.com/protocol": "konghq.com/protocol",
    "configuration.konghq.com/client-cert": "konghq.com/client-cert",
    "configuration.konghq.com/strip-path": "konghq.com/strip-path",
}

# `<plugin>.plugin.konghq.com` was a way of attaching plugins, dropped before the controller's 1.0.
_LEGACY_DOMAINS: Final = ("configuration.konghq.com", ".plugin.konghq.com", "plugins.konghq.com")

Annotations = Mapping[str, str]


def is_kongs(key: str) -> bool:
    """Of Kong's ingress controller, in any of its generations."""
    return key.startswith(PREFIX) or key in LEGACY_KEYS or key.partition("/")[0].endswith(_LEGACY_DOMAINS)


def modernised(annotations: Annotations) -> tuple[Annotations, tuple[str, ...]]:
    """The annotations under their current keys, and which old keys had an effect."""
    if LEGACY_KEYS.keys().isdisjoint(annotations):
        return annotations, ()
    old = tuple(key for key, new in LEGACY_KEYS.items() if key in annotations and new not in annotations)
    return {**annotations, **{LEGACY_KEYS[key]: annotations[key] for key in old}}, old


def list_of(annotations: Annotations, key: str, *, separator: str = ",") -> tuple[str, ...]:
    return tuple(item for item in (part.strip() for part in annotations.get(key, "").split(separator)) if item)


def boolean(annotations: Annotations, key: str) -> bool | None:
    """Any other text than true and false counts as absent."""
    return {"true": True, "false": False}.get(annotations.get(key, "").strip().lower())


class Reader:
    """The annotations of one object under their current keys, and a diagnostic for each that cannot be carried out."""

    def __init__(self, ref: ObjectRef, annotations: Annotations, diagnostics: Diagnostics) -> None:
        self._ref = ref
        self._diagnostics = diagnostics
        self.noted, old = modernised(annotations)
        for key in old:
            diagnostics.warning(
                ref,
                "annotation.deprecated",
                f"annotation {key} is an old name of {LEGACY_KEYS[key]}",
                hint=f"rename it to {LEGACY_KEYS[key]}",
                field=_field(key),
            )

    def integer(self, key: str, bounds: Bounds) -> int | None:
        """None when absent, or out of bounds, which is told."""
        if key not in self.noted:
            return None
        number = bounds.parse(self.noted[key])
        if not isinstance(number, Misfit):
            return number
        self._diagnostics.error(
            self._ref,
            "annotation.out-of-bounds",
            f"annotation {key}: {number}",
            effect="the annotation is ignored, as if it were not there",
            hint="give a whole number within the bounds",
            field=_field(key),
        )
        return None

    def flag(self, key: str) -> bool | None:
        """None when absent, or neither true nor false, which is told."""
        value = boolean(self.noted, key)
        if key in self.noted and value is None:
            self.tell_invalid(key, "it is neither true nor false", 'write "true" or "false"')
        return value

    def tell_invalid(self, key: str, problem: str, hint: str) -> None:
        """The annotation is there and its value is of no use."""
        self._diagnostics.error(
            self._ref,
            "annotation.invalid-value",
            f"annotation {key} is {self.noted[key]!r}: {problem}",
            effect="the annotation is ignored, as if it were not there",
            hint=hint,
            field=_field(key),
        )

    def tell_unsupported(self, keys: tuple[str, ...]) -> None:
        """Those of `keys` that are there have no effect."""
        for key in keys:
            if key in self.noted:
                self._diagnostics.error(
                    self._ref,
                    "annotation.unsupported",
                    f"annotation {key} is not supported",
                    effect="the annotation has no effect",
                    hint="remove the annotation",
                    field=_field(key),
                )

    def tell_unknown(self) -> None:
        """Kong's keys that mean nothing on an object of this kind: where they belong, or what may have been meant."""
        for key in self.noted:
            if not is_kongs(key) or key in _ANYWHERE or key in LEGACY_KEYS:
                continue
            places = ("Ingress",) if key.startswith(HEADERS_PREFIX) else OBJECTS_OF.get(key, ())
            if self._ref.kind in places:
                continue
            nearest = () if places else _nearest(key, self._ref.kind)
            hint = f"set it on the {' or '.join(places)}" if places else "remove the annotation"
            self._diagnostics.warning(
                self._ref,
                "annotation.misplaced" if places else "annotation.unknown",
                f"annotation {key} means nothing on {_article(self._ref.kind)}",
                effect="the annotation has no effect",
                hint=f"did you mean {nearest[0]}?" if nearest else hint,
                field=_field(key),
            )


def _nearest(key: str, kind: str) -> Sequence[str]:
    """What a key may have been meant as: on this kind, else on another."""
    name = key.rpartition("/")[2].lower().replace("_", "-")
    known = {one.removeprefix(PREFIX): one for one in sorted(OBJECTS_OF) if one.startswith(PREFIX)}
    here = [short for short, one in known.items() if kind in OBJECTS_OF[one] or one in _ANYWHERE]
    found = get_close_matches(name, here, n=1) or get_close_matches(name, known, n=1)
    return [known[short] for short in found]


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIO' else 'a'} {kind}"


def _field(key: str) -> str:
    return f"metadata.annotations[{key}]"
