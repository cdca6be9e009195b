"""Validation of what a pod's volumes come from."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.claims import HOST_PATH_TYPES, validate_claim_spec
from crossfade_local.apiserver.validation.downward_api import (
    FILE_FIELDS,
    validate_field_reference,
    validate_resource_reference,
)
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    each,
    forbidden,
    invalid,
    required,
    too_long,
)
from crossfade_local.apiserver.validation.metadata import validate_annotations, validate_labels
from crossfade_local.apiserver.validation.shapes import one_of
from crossfade_local.quantity import QuantityError, parse
from crossfade_local.values.fields import mapping, objects, text

_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_CONFLICT: Final = "conflicting duplicate paths"
_PROJECTED: Final = (
    "secret",
    "configMap",
    "downwardAPI",
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
)
_MOST_DRIVER_CHARACTERS: Final = 63
_OF_CLAIM_TEMPLATE: Final = ("annotations", "labels")

Source = Callable[[str, JsonObject], Iterator[FieldError]]


def _empty_dir(field: str, source: JsonObject) -> Iterator[FieldError]:
    try:
        too_small = source.get("sizeLimit") is not None and parse(source["sizeLimit"]) < 0
    except QuantityError as error:
        yield invalid(f"{field}.sizeLimit", source["sizeLimit"], str(error))
        return
    if too_small:
        yield forbidden(f"{field}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(field: str, source: JsonObject) -> Iterator[FieldError]:
    path = text(source, "path")
    if not path:
        yield required(f"{field}.path")
        return
    yield from _no_steps_back(f"{field}.path", path)
    yield from one_of(f"{field}.type", text(source, "type"), HOST_PATH_TYPES)


def _nfs(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _needs("server", "path")(field, source)
    if not text(source, "path").startswith("/"):
        yield invalid(f"{field}.path", text(source, "path"), "must be an absolute path")


def _needs(*fields: str) -> Source:
    def check(field: str, source: JsonObject) -> Iterator[FieldError]:
        yield from (required(f"{field}.{name}") for name in fields if not source.get(name))

    return check


def _keys(name: str, field: str, source: JsonObject) -> Iterator[FieldError]:
    """A Secret's or a ConfigMap's keys as files; `name` is the field that has its name."""
    if not text(source, name):
        yield required(f"{field}.{name}")
    yield from _mode(f"{field}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(objects(source, "items")):
        place = f"{field}.items[{index}]"
        if not text(item, "key"):
            yield required(f"{place}.key")
        yield from _file_path(f"{place}.path", text(item, "path"))
        yield from _mode(f"{place}.mode", item.get("mode"))


def _downward(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _mode(f"{field}.defaultMode", source.get("defaultMode"))
    for item in objects(source, "items"):
        yield from _downward_file(field, item)


def _downward_file(field: str, item: JsonObject) -> Iterator[FieldError]:
    """Kubernetes reports what is wrong with an item at the list's owner."""
    yield from _file_path(f"{field}.path", text(item, "path"))
    if isinstance(item.get("fieldRef"), dict):
        yield from validate_field_reference(f"{field}.fieldRef", item["fieldRef"], FILE_FIELDS)
        if isinstance(item.get("resourceFieldRef"), dict):
            yield invalid(field, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif isinstance(item.get("resourceFieldRef"), dict):
        yield from validate_resource_reference(f"{field}.resourceFieldRef", item["resourceFieldRef"], of_another=True)
    else:
        yield required(field, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(f"{field}.mode", item.get("mode"))


def _mode(field: str, mode: Any) -> Iterator[FieldError]:
    if isinstance(mode, int) and not 0 <= mode <= 0o777:
        yield invalid(field, mode, _MODE)


def _projected(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _mode(f"{field}.defaultMode", source.get("defaultMode"))
    taken: set[str] = set()
    for index, part in enumerate(objects(source, "sources")):
        place = f"{field}.sources[{index}]"
        present = [name for name in _PROJECTED if isinstance(part.get(name), dict)]
        for name in present:
            yield from _projection(field, f"{place}.{name}", name, part[name])
            for path, culprit in _projected_paths(name, part[name]):
                if path in taken:
                    yield invalid(field, culprit, _CONFLICT)
                taken.add(path)
        if len(present) > 1:
            yield forbidden(place, "may not specify more than 1 volume type per source")


def _projection(volume: str, field: str, name: str, part: JsonObject) -> Iterator[FieldError]:
    if name in ("secret", "configMap"):
        yield from _keys("name", field, part)
    elif name == "downwardAPI":
        yield from _downward(field, part)
    elif name == "serviceAccountToken":
        yield from _token(volume, field, part)


def _projected_paths(name: str, part: JsonObject) -> Iterator[tuple[str, str]]:
    """Each with what Kubernetes names if another source has it too."""
    if name == "serviceAccountToken":
        return
    for item in objects(part, "items"):
        if path := text(item, "path"):
            yield path, path if name == "downwardAPI" else text(part, "name")


def _token(volume: str, field: str, token: JsonObject) -> Iterator[FieldError]:
    seconds = token.get("expirationSeconds")
    if isinstance(seconds, int) and seconds < 600:
        yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if isinstance(seconds, int) and seconds > 1 << 32:
        yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    # Kubernetes reports the path at the volume.
    yield from _file_path(f"{volume}.path", text(token, "path"))


def _csi(field: str, source: JsonObject) -> Iterator[FieldError]:
    driver = text(source, "driver")
    if not driver:
        yield required(f"{field}.driver")
        return
    if len(driver) > _MOST_DRIVER_CHARACTERS:
        yield too_long(f"{field}.driver", _MOST_DRIVER_CHARACTERS)
    yield from each(f"{field}.driver", driver, names.dns_subdomain(driver.lower()))
    secret = source.get("nodePublishSecretRef")
    if isinstance(secret, dict) and not text(secret, "name"):
        yield required(f"{field}.nodePublishSecretRef.name")


def _ephemeral(field: str, source: JsonObject) -> Iterator[FieldError]:
    template, place = source.get("volumeClaimTemplate"), f"{field}.volumeClaimTemplate"
    if not isinstance(template, dict):
        yield required(place)
        return
    metadata = mapping(template, "metadata")
    yield from validate_annotations(mapping(metadata, "annotations"), f"{place}.metadata.annotations")
    yield from validate_labels(mapping(metadata, "labels"), f"{place}.metadata.labels")
    for name, value in metadata.items():
        if value and name not in _OF_CLAIM_TEMPLATE:
            yield forbidden(f"{place}.metadata.{name}", "cannot be set")
    yield from validate_claim_spec(f"{place}.spec", mapping(template, "spec"))


def relative_path(field: str, path: str) -> Iterator[FieldError]:
    """A path inside a volume."""
    if path.startswith("/"):
        yield invalid(field, path, "must be a relative path")
    yield from _no_steps_back(field, path)


def _no_steps_back(field: str, path: str) -> Iterator[FieldError]:
    if ".." in path.split("/"):
        yield invalid(field, path, "must not contain '..'")


def _file_path(field: str, path: str) -> Iterator[FieldError]:
    """Of a file that the kubelet writes, which keeps the names with two dots for itself."""
    if not path:
        yield required(field)
    yield from relative_path(field, path)
    if path.startswith("..") and not path.startswith("../"):
        yield invalid(field, path, "must not start with '..'")


SOURCES: Final[dict[str, Source]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _needs("repository"),
    "gcePersistentDisk": _needs("pdName"),
    "awsElasticBlockStore": _needs("volumeID"),
    "secret": partial(_keys, "secretName"),
    "nfs": _nfs,
    "iscsi": _needs("targetPortal", "iqn"),
    "glusterfs": _needs("endpoints", "path"),
    "flocker": _needs(),
    "persistentVolumeClaim": _needs("claimName"),
    "rbd": _needs("monitors", "image"),
    "cinder": _needs("volumeID"),
    "cephfs": _needs("monitors"),
    "quobyte": _needs("registry", "volume"),
    "downwardAPI": _downward,
    "fc": _needs(),
    "flexVolume": _needs("driver"),
    "configMap": partial(_keys, "name"),
    "azureFile": _needs("secretName", "shareName"),
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _needs("diskName", "diskURI"),
    "storageos": _needs("volumeName"),
    "projected": _projected,
    "scaleIO": _needs("gateway", "system", "volumeName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _needs(),
}
"""In the order in which Kubernetes looks for them: further ones than the first are refused."""
