"""The two fields in which a claim says what its volume is filled from."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import mapping, text

_KNOWN: Final = frozenset({("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")})


def drop_unknown_data_source(claim: JsonObject) -> None:
    """Of a new claim: Kubernetes has always forgotten a `dataSource` of another kind."""
    source = mapping(claim, "spec").get("dataSource")
    if isinstance(source, dict) and (text(source, "apiGroup"), text(source, "kind")) not in _KNOWN:
        del claim["spec"]["dataSource"]


def equalize_data_sources(claim: JsonObject) -> None:
    """Either of the fields stands for both, unless the source is in another namespace."""
    spec = mapping(claim, "spec")
    plain, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if isinstance(plain, dict) and reference is None:
        spec["dataSourceRef"] = dict(plain)
    elif isinstance(reference, dict) and plain is None and not text(reference, "namespace"):
        spec["dataSource"] = {name: value for name, value in reference.items() if name != "namespace"}
