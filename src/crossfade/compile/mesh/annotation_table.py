"""Every annotation of App Mesh objects that the compiler reads, for the reference pages and their test."""

from typing import Final

from crossfade.api.annotation import Annotation
from crossfade.compile.mesh.choices import LOAD_BALANCING, SHORT_NAMES
from crossfade.compile.mesh.service_names import ENDPOINTS_ANNOTATION

MESH_ANNOTATIONS: Final = (
    Annotation(
        ENDPOINTS_ANNOTATION,
        ("Mesh",),
        "`endpointslices` or `dns`",
        "`endpointslices`",
        "`endpointslices`: callers balance each request over the pods behind a `dns.hostname` that is a Service of the"
        " cluster; `dns`: they resolve the name, and with a ClusterIP stay with one pod",
    ),
    Annotation(
        SHORT_NAMES.key,
        ("Mesh",),
        "`enabled` or `disabled`",
        "`disabled`",
        "a virtual service whose `awsName` is a Service of the cluster can be called as `service.namespace`,"
        " `service.namespace.svc` and, from pods of its namespace, `service`; in App Mesh these were 404",
    ),
    Annotation(
        LOAD_BALANCING.key,
        ("VirtualNode",),
        "`round-robin` or `least-request`",
        "`round-robin`",
        "which of the node's endpoints a caller takes: the next one, or the one with the fewest requests of the caller",
    ),
)
