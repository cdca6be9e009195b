"""Rows of the kinds by which drivers of volumes and their attachments are known."""

from datetime import datetime
from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.printers.columns import UNSET, name_of
from crossfade_local.apiserver.printers.durations import age
from crossfade_local.values.fields import flag, mapping, objects, sequence, text


def driver_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec = mapping(obj, "spec")
    return [
        name_of(obj),
        flag(spec, "attachRequired"),
        flag(spec, "podInfoOnMount"),
        flag(spec, "storageCapacity"),
        ",".join(text(one, "audience") for one in objects(spec, "tokenRequests")) or UNSET,
        flag(spec, "requiresRepublish"),
        ",".join(sequence(spec, "volumeLifecycleModes")) or "<none>",
        age(obj, now),
    ]


def node_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), len(objects(obj, "spec", "drivers")), age(obj, now)]


def attachment_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [
        name_of(obj),
        text(obj, "spec", "attacher"),
        text(obj, "spec", "source", "persistentVolumeName"),
        text(obj, "spec", "nodeName"),
        flag(obj, "status", "attached"),
        age(obj, now),
    ]
