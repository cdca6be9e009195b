"""Every annotation of pods that the injector reads (appmesh.md §4.3), for the reference pages and their test."""

from typing import Final

from crossfade.api.annotation import Annotation
from crossfade.inject.annotations import SIDECAR_KEY
from crossfade.inject.mesh_native import KEY as MESH_NATIVE_KEY

_POD: Final = ("Pod",)
_MOUNTS: Final = "pairs `name:path`, separated by commas"
_PORTS: Final = "ports and ranges `first:last`, separated by commas"
_QUANTITY: Final = "a quantity like `100m` or `64Mi`"
_INSTALLED: Final = "the installation's"

POD_ANNOTATIONS: Final = (
    Annotation(
        "appmesh.k8s.aws/sidecarInjectorWebhook",
        ("Pod", "Namespace (as label)"),
        "`enabled` or `disabled`",
        "a sidecar where a VirtualNode selects the pod",
        "`disabled`: no sidecar; `enabled`: the pod is refused unless a VirtualNode or VirtualGateway selects it",
    ),
    Annotation(
        "appmesh.k8s.aws/ports",
        _POD,
        _PORTS,
        "the ports of the VirtualNode's listeners",
        "ports whose incoming traffic the sidecar takes",
    ),
    Annotation(
        "appmesh.k8s.aws/egressIgnoredIPs",
        _POD,
        "addresses or networks, separated by commas",
        _INSTALLED,
        "traffic to them passes the sidecar by",
    ),
    Annotation(
        "appmesh.k8s.aws/egressIgnoredPorts",
        _POD,
        _PORTS,
        "22",
        "traffic to them passes the sidecar by",
    ),
    Annotation("appmesh.k8s.aws/ipv6", _POD, "`disabled`", "IPv6 too", "only IPv4 traffic is captured"),
    Annotation(
        "appmesh.k8s.aws/appmeshCNI",
        _POD,
        "`enabled`",
        "an init container captures",
        "no init container: a CNI plugin captures traffic, by annotations that the pod gets",
    ),
    Annotation("appmesh.k8s.aws/cpuRequest", _POD, _QUANTITY, _INSTALLED, "CPU that the sidecar requests"),
    Annotation("appmesh.k8s.aws/memoryRequest", _POD, _QUANTITY, _INSTALLED, "memory that the sidecar requests"),
    Annotation("appmesh.k8s.aws/cpuLimit", _POD, _QUANTITY, _INSTALLED, "most CPU that the sidecar may use"),
    Annotation("appmesh.k8s.aws/memoryLimit", _POD, _QUANTITY, _INSTALLED, "most memory that the sidecar may use"),
    Annotation(
        "appmesh.k8s.aws/sidecarEnv",
        _POD,
        "pairs `NAME=value`, separated by commas",
        effect="environment of the sidecar; names that the controller sets stay",
    ),
    Annotation(
        "appmesh.k8s.aws/sidecarEnvJson",
        _POD,
        'JSON like `[{"NAME": "value"}]`',
        effect="as `sidecarEnv`, for values with commas",
    ),
    Annotation(
        "appmesh.k8s.aws/secretMounts", _POD, _MOUNTS, effect="Secrets that the sidecar sees as files at these paths"
    ),
    Annotation(
        "appmesh.k8s.aws/volumeMounts",
        _POD,
        _MOUNTS,
        effect="volumes of the pod that the sidecar sees at these paths",
    ),
    Annotation(
        "appmesh.k8s.aws/virtualGatewaySkipImageOverride",
        _POD,
        "`enabled`",
        "the image is replaced",
        "the `envoy` container of a VirtualGateway's pod keeps its image",
    ),
    Annotation(
        SIDECAR_KEY,
        _POD,
        "`native` or `classic`",
        "the installation's",
        "`native`: the sidecar is an init container that Kubernetes (1.29) starts before and ends after the pod's own "
        "containers; `classic`: one of the pod's containers",
    ),
    Annotation(
        MESH_NATIVE_KEY,
        _POD,
        "`true` or `false`",
        "a sidecar",
        "`true`, on the pods of a gateway: no sidecar; the gateway's own proxy does what the sidecar of the "
        "VirtualNode would do with requests to Services",
    ),
    Annotation(
        "appmesh.k8s.aws/xrayAgentConfigMount", _POD, "a pair `volume:path`", why_not="there is no X-Ray daemon"
    ),
    Annotation(
        "appmesh.k8s.aws/sds",
        _POD,
        "`disabled`",
        "a socket where the installation has one",
        "the sidecar does not get the socket of the agent that gives certificates (`install mesh --sds-socket`)",
    ),
    Annotation("appmesh.k8s.aws/preview", _POD, "`enabled`", why_not="there is no preview channel"),
    Annotation("appmesh.k8s.aws/mesh", _POD, "a name", why_not="it was for the injector of v1beta1"),
    Annotation("appmesh.k8s.aws/virtualNode", _POD, "a name", why_not="it was for the injector of v1beta1"),
    *(
        Annotation(f"appmesh.k8s.aws/{key}", _POD, "a number", why_not="the injector writes it for CNI plugins")
        for key in ("ignoredUID", "ignoredGID", "proxyIngressPort", "proxyEgressPort")
    ),
)
