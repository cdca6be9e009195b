"""Built-in Kubernetes kinds, reduced to the fields that the compilers and the controller read."""

from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.core.lease import Lease
from crossfade_kube.core.namespace import Namespace
from crossfade_kube.core.pod import Pod
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service

__all__ = ["ConfigMap", "EndpointSlice", "Ingress", "IngressClass", "Lease", "Namespace", "Pod", "Secret", "Service"]
