"""A .proto file beside the manifests: to the compiler a ConfigMap without a namespace, which any plugin may name."""

from pathlib import PurePath
from typing import Final

from crossfade.compile.gateway.plugin_protos import ProtoConfigMap
from crossfade.compile.policies.grpc_gateway.files import LABEL
from crossfade.gateway_files.objects import Found
from crossfade.gateway_files.reading import Problem
from crossfade_kube.meta import ObjectMeta, ObjectRef

LARGEST: Final = 1 << 20


def proto_file(path: str, text: str) -> Found:
    name = PurePath(path).name
    ref = ObjectRef("v1", "ConfigMap", "", name)
    if len(text) > LARGEST:
        problem = Problem("", f"a .proto file has no more than {LARGEST} characters", code="file.too-large")
        return Found((), ref, problems=(problem,))
    return Found((), ref, ProtoConfigMap(ObjectMeta(name=name, labels={LABEL: "true"}), {name: text}))
