"""gRPC-Web: requests of browsers become gRPC, and trailers the end of a response's body."""

from typing import Final

from crossfade.envoy.filters.filter import Filter
from crossfade.envoy.proto import grpc_web_v3
from crossfade_kube.meta import JsonObject


def nothing_to_configure(config: JsonObject) -> None:
    del config


FILTER: Final = Filter("grpc_web", on_listener=grpc_web_v3.GrpcWeb, on_route=nothing_to_configure)
