"""Every annotation of App Mesh objects that the compiler reads, for the reference pages and their test."""

from typing import Final

from crossfade.api.annotation import Annotation
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
)
