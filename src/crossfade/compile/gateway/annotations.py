"""Reading annotation values: lists, booleans and numbers as Kong's ingress controller reads them (kong.md §2)."""

from collections.abc import Mapping
from typing import Final

PREFIX: Final = "konghq.com/"
CLASS: Final = "kubernetes.io/ingress.class"
FORCE_SSL_REDIRECT: Final = "ingress.kubernetes.io/force-ssl-redirect"
SERVICE_UPSTREAM: Final = "ingress.kubernetes.io/service-upstream"
OVERRIDE: Final = "konghq.com/override"
PLUGINS: Final = "konghq.com/plugins"
HEADERS_PREFIX: Final = "konghq.com/headers."

# Dropped by the controller's 1.0, still found in manifests; the new key wins.
LEGACY_KEYS: Final = {
    "configuration.konghq.com": OVERRIDE,
    "plugins.konghq.com": PLUGINS,
    "configuration.konghq.com/protocols": "konghq.com/protocols",
    "configuration.konghq.com/protocol": "konghq.com/protocol",
    "configuration.konghq.com/client-cert": "konghq.com/client-cert",
    "configuration.konghq.com/strip-path": "konghq.com/strip-path",
}

Annotations = Mapping[str, str]


def modernised(annotations: Annotations) -> tuple[Annotations, tuple[str, ...]]:
    """The annotations under their current keys, and which old keys had an effect."""
    old = tuple(key for key, new in LEGACY_KEYS.items() if key in annotations and new not in annotations)
    if not old:
        return annotations, ()
    return {**annotations, **{LEGACY_KEYS[key]: annotations[key] for key in old}}, old


def list_of(annotations: Annotations, key: str, *, separator: str = ",") -> tuple[str, ...]:
    return tuple(item for item in (part.strip() for part in annotations.get(key, "").split(separator)) if item)


def boolean(annotations: Annotations, key: str) -> bool | None:
    """Any other text than true and false counts as absent."""
    return {"true": True, "false": False}.get(annotations.get(key, "").strip().lower())


def integer(annotations: Annotations, key: str) -> int | None:
    try:
        return int(annotations.get(key, "").strip())
    except ValueError:
        return None
