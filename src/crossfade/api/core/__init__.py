"""Built-in Kubernetes kinds, reduced to the fields that the compilers and the controller read."""

from crossfade.api.core.config_map import ConfigMap
from crossfade.api.core.endpoint_slice import EndpointSlice
from crossfade.api.core.ingress import Ingress, IngressClass
from crossfade.api.core.lease import Lease
from crossfade.api.core.namespace import Namespace
from crossfade.api.core.pod import Pod
from crossfade.api.core.secret import Secret
from crossfade.api.core.service import Service

__all__ = ["ConfigMap", "EndpointSlice", "Ingress", "IngressClass", "Lease", "Namespace", "Pod", "Secret", "Service"]
