"""What Kong keeps of every entity: tags that say which object it is of, and times."""

from collections.abc import Iterable
from datetime import datetime

from crossfade_kube.meta import JsonObject, ObjectRef


def tags_of(ref: ObjectRef) -> list[str]:
    """As Kong's ingress controller writes them (kong.md §3.1)."""
    group, _, version = ref.api_version.rpartition("/")
    parts: Iterable[tuple[str, str]] = (
        ("k8s-name", ref.name),
        ("k8s-namespace", ref.namespace),
        ("k8s-kind", ref.kind),
        ("k8s-uid", ref.uid),
        ("k8s-group", group),
        ("k8s-version", version),
    )
    return [f"{name}:{value}" for name, value in parts if value]


def times(created: str) -> JsonObject:
    """Seconds since 1970; 0 for what has no time of its own."""
    try:
        seconds = int(datetime.fromisoformat(created).timestamp()) if created else 0
    except (ValueError, OverflowError):
        seconds = 0
    return {"created_at": seconds, "updated_at": seconds}
