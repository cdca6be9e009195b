"""Every annotation of App Mesh objects that the compiler reads, for the reference pages and their test."""

from typing import Final

from crossfade.api.annotation import Annotation
from crossfade.compile.mesh.acm import ARNS_ANNOTATION, LABEL
from crossfade.compile.mesh.body_limits import MAX_REQUEST_BYTES
from crossfade.compile.mesh.choices import (
    HEADER_CASE,
    HTTP2_BETWEEN_PROXIES,
    LOAD_BALANCING,
    SHORT_NAMES,
    STATUSES_BY_CLUSTER,
    ZONES,
)
from crossfade.compile.mesh.egress import EGRESS_DOMAINS
from crossfade.compile.mesh.faults import FAULT, ROUTE_FAULTS
from crossfade.compile.mesh.header_edits import (
    REMOVE_REQUEST_HEADERS,
    REMOVE_RESPONSE_HEADERS,
    SET_REQUEST_HEADERS,
    SET_RESPONSE_HEADERS,
)
from crossfade.compile.mesh.identities import MESH_TLS, MESH_TLS_ISSUER
from crossfade.compile.mesh.mirroring import MIRROR
from crossfade.compile.mesh.rate_limits import RATE_LIMIT, ROUTE_RATE_LIMITS
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
        MESH_TLS,
        ("Mesh", "VirtualNode"),
        "`strict`, `permissive` or `disabled`",
        "the Mesh's on a VirtualNode, else `disabled`",
        "sidecars have identities and speak mutual TLS with each other; listeners without `tls` take nothing else"
        " (`strict`) or plain text too (`permissive`)",
    ),
    Annotation(
        HTTP2_BETWEEN_PROXIES.key,
        ("Mesh", "VirtualNode"),
        "`enabled` or `disabled`",
        "`disabled`; a node's: its mesh's",
        "callers' sidecars and virtual gateways carry requests to the node's listeners of http over HTTP/2 while all of"
        " its endpoints have a sidecar; applications speak HTTP/1 as before",
    ),
    Annotation(
        STATUSES_BY_CLUSTER.key,
        ("Mesh",),
        "`enabled` or `disabled`",
        "`disabled`",
        "Envoy's own statistics of the mesh's proxies count answers by cluster and status"
        " (`cluster.<name>.upstream_rq_2xx`), as App Mesh's did; `crossfade_requests_total` has the same for less",
    ),
    Annotation(
        MESH_TLS_ISSUER,
        ("Mesh",),
        "a kind and a name: `ClusterIssuer/mesh`, `AWSPCAClusterIssuer.awspca.cert-manager.io/mesh`",
        "the controller's own authority",
        "the issuer of cert-manager that signs identities; an `Issuer` is looked for in the controller's namespace",
    ),
    Annotation(
        LOAD_BALANCING.key,
        ("VirtualNode",),
        "`round-robin` or `least-request`",
        "`round-robin`",
        "which of the node's endpoints a caller takes: the next one, or the one with the fewest requests of the caller",
    ),
    Annotation(
        SET_REQUEST_HEADERS,
        ("VirtualService",),
        "lines of `name: value`",
        "",
        "headers of all requests to the service, in place of the caller's of these names; through gateways too",
    ),
    Annotation(
        REMOVE_REQUEST_HEADERS,
        ("VirtualService",),
        "names, with commas between them",
        "",
        "headers that no request to the service has, but those that are set",
    ),
    Annotation(
        SET_RESPONSE_HEADERS,
        ("VirtualService",),
        "lines of `name: value`",
        "",
        "headers of all the service's answers, in place of its own of these names",
    ),
    Annotation(
        REMOVE_RESPONSE_HEADERS,
        ("VirtualService",),
        "names, with commas between them",
        "",
        "headers that no answer of the service has, but those that are set",
    ),
    Annotation(
        MIRROR,
        ("VirtualService",),
        "a VirtualNode, of another namespace with that before it, and a percentage: `test/jazz-v2 10%`",
        "",
        "a copy of that share of requests (absent: all) goes to this node too; nobody waits for its answers",
    ),
    Annotation(
        ZONES.key,
        ("Mesh", "VirtualNode"),
        "`any` or `prefer-own`",
        "`any`",
        "`prefer-own`: callers take endpoints of the node in their own zone, those of other zones when less than about"
        " 70% of these are healthy, or there are none; EndpointSlices tell the zones; a node's own comes before its"
        " mesh's",
    ),
    Annotation(
        FAULT.key,
        ("VirtualService",),
        FAULT.form,
        "",
        "in this time callers' sidecars, and gateways, delay a share of requests or answer some themselves; at most an"
        " hour, 50% each, 60 s and 100 delayed requests a sidecar. A fault is lent for 30 s at a time: with the"
        " controller it ends too, and when more than 20% of the requests to a node fail, or as many as `stop 30%` says",
    ),
    Annotation(
        ROUTE_FAULTS.key,
        ("VirtualRouter",),
        ROUTE_FAULTS.form,
        "",
        "the same for single routes; this comes before the service's",
    ),
    Annotation(
        ROUTE_RATE_LIMITS.key,
        ("VirtualRouter",),
        ROUTE_RATE_LIMITS.form,
        "",
        "what each caller's sidecar, or gateway, sends by the route at most; above it callers get 429 with"
        " `retry-after`",
    ),
    Annotation(
        RATE_LIMIT.key,
        ("VirtualNode",),
        RATE_LIMIT.form,
        "",
        "what each pod of the node takes at most, from all callers together; above it these get 429 with `retry-after`",
    ),
    Annotation(
        MAX_REQUEST_BYTES.key,
        ("VirtualNode",),
        MAX_REQUEST_BYTES.form,
        "",
        "larger requests get 413 and do not reach the application; what says no length is held in the sidecar's memory"
        " until it has ended, at most this much; not for gRPC",
    ),
    Annotation(
        EGRESS_DOMAINS.key,
        ("VirtualNode",),
        EGRESS_DOMAINS.form,
        "",
        "names outside of the mesh that the node may call although its mesh's egressFilter is DROP_ALL; its sidecar"
        " looks them up itself, wherever the application connects to",
    ),
    Annotation(
        HEADER_CASE.key,
        ("Mesh", "VirtualNode"),
        "`lower`, `preserve` or `proper`",
        "`lower`",
        "how the sidecar writes names of headers in HTTP/1, to its application and to others: as Envoy does, as they"
        " came, or `Like-This`; a node's own comes before its mesh's",
    ),
    Annotation(
        LABEL,
        ("Secret (as label)",),
        "`enabled`",
        effect="the mesh's controller reads the Secret, if it was installed with `--acm-secrets`",
    ),
    Annotation(
        ARNS_ANNOTATION,
        ("Secret",),
        "ARNs, separated by commas",
        effect="the Secret stands for these certificates and authorities of ACM, in its own namespace",
    ),
)
