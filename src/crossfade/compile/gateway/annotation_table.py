"""Every annotation and label of the gateway: its objects, values, default and what it does (kong.md §2).

The one source: what the compiler takes for known, and the page docs/reference/supported.md.
"""

from typing import Final

from crossfade.api.annotation import Annotation, without_effect_on

_BOOLEAN: Final = "`true` or `false`"
_TIMEOUT: Final = "milliseconds, 1 to 2147483646"
_INGRESS: Final = ("Ingress",)
_SERVICE: Final = ("Service",)

INGRESS_ANNOTATIONS: Final = (
    Annotation(
        "konghq.com/headers.",
        _INGRESS,
        "the header's values, separated by commas; `~*` before a value makes it a regex",
        effect="the routes match only requests whose header of the name behind the dot has one of the values",
    ),
    Annotation(
        "konghq.com/headers-separator",
        _INGRESS,
        "any text",
        "`,`",
        "what separates values in `konghq.com/headers.` annotations",
    ),
    Annotation(
        "konghq.com/host-aliases",
        _INGRESS,
        "host names, separated by commas",
        effect="the rules match these hosts too",
    ),
    Annotation(
        "konghq.com/https-redirect-status-code",
        _INGRESS,
        "301, 302, 307, 308 or 426",
        "426",
        "status of the answer to plain HTTP where the protocols are those of TLS only",
    ),
    Annotation(
        "konghq.com/methods",
        _INGRESS,
        "HTTP methods, separated by commas",
        "all methods",
        "the routes match only these methods; one wrong name discards the list",
    ),
    Annotation(
        "konghq.com/path-handling",
        _INGRESS,
        "`v0`",
        "`v0`",
        "how the Service's path and the request's are joined; `v1` is told and has no effect",
    ),
    Annotation(
        "konghq.com/preserve-host",
        _INGRESS,
        _BOOLEAN,
        "`true`",
        "whether the upstream gets the client's `Host`; otherwise it gets the target's",
    ),
    Annotation(
        "konghq.com/protocols",
        (*_INGRESS, "TCPIngress"),
        "`http`, `https`, `grpc`, `grpcs`, separated by commas; of a TCPIngress `tcp`, `tls`, or `tls_passthrough`"
        " alone",
        "`http,https`; of a TCPIngress `tcp,tls`",
        "the protocols of requests that the routes take; `tls_passthrough` leaves TLS to the Service",
    ),
    Annotation(
        "konghq.com/regex-prefix",
        _INGRESS,
        "any text",
        "`/~`",
        "a path of type ImplementationSpecific that begins so is a regex",
    ),
    Annotation(
        "konghq.com/regex-priority",
        _INGRESS,
        "a whole number",
        "0",
        "of several routes with regexes the one with the higher number is tried first",
    ),
    Annotation(
        "konghq.com/request-buffering",
        _INGRESS,
        _BOOLEAN,
        "`true`",
        "whether a body of unknown length is gathered first, so that the upstream gets its length",
    ),
    Annotation(
        "konghq.com/response-buffering",
        _INGRESS,
        "`true`",
        "`true`",
        "nothing; `false` is told and has no effect: responses pass as they come",
    ),
    Annotation(
        "konghq.com/snis",
        _INGRESS,
        "server names, separated by commas",
        effect="the routes match only TLS connections that asked for one of these names",
    ),
    Annotation(
        "konghq.com/strip-path",
        _INGRESS,
        _BOOLEAN,
        "`false`",
        "whether the matched part of the path is taken away before the upstream sees it",
    ),
    Annotation(
        "ingress.kubernetes.io/force-ssl-redirect",
        _INGRESS,
        _BOOLEAN,
        "`false`",
        "plain HTTP is answered with a redirect (302) to HTTPS",
    ),
    Annotation("konghq.com/rewrite", _INGRESS, why_not="paths are not rewritten by a template"),
)

SERVICE_ANNOTATIONS: Final = (
    Annotation("konghq.com/connect-timeout", _SERVICE, _TIMEOUT, "60000", "for how long a connection is tried"),
    Annotation(
        "konghq.com/host-header",
        _SERVICE,
        "a host name, with a port if need be",
        "the target's own name",
        "the `Host` that the upstream gets where the client's is not preserved",
    ),
    Annotation("konghq.com/path", _SERVICE, "a path that begins with `/`", "`/`", "stands before every request's path"),
    Annotation(
        "konghq.com/protocol",
        _SERVICE,
        "`http`, `https`, `grpc`, `grpcs`, `ws` or `wss`",
        "`http`",
        "the protocol that the upstream speaks; `ws` and `wss` are `http` and `https`, by which WebSockets pass too;"
        " with `tcp` or `tls` requests are answered 503",
    ),
    Annotation(
        "konghq.com/read-timeout", _SERVICE, _TIMEOUT, "60000", "for how long the upstream may send or take nothing"
    ),
    Annotation(
        "konghq.com/retries", _SERVICE, "0 to 32767", "5", "how often a failed try is repeated at another endpoint"
    ),
    Annotation(
        "konghq.com/tls-verify",
        _SERVICE,
        _BOOLEAN,
        "`false`",
        "whether an upstream must have a certificate for the Host that is sent, by a trusted authority; without TLS"
        " requests are answered 503",
    ),
    Annotation(
        "konghq.com/tls-verify-depth",
        _SERVICE,
        "0 to 64",
        effect="how many certificates may stand between an upstream's and its authority's",
    ),
    Annotation(
        "konghq.com/ca-certificates-secrets",
        _SERVICE,
        "names of Secrets of the namespace with `cert` or `ca.crt`, separated by commas",
        "the machine's trusted authorities",
        "whose certificates are trusted",
    ),
    Annotation(
        "konghq.com/ca-certificates-configmaps",
        _SERVICE,
        "names of ConfigMaps of the namespace with `cert` or `ca.crt` and the label `konghq.com/ca-cert`",
        effect="whose certificates are trusted",
    ),
    Annotation(
        "konghq.com/client-cert",
        _SERVICE,
        "name of a Secret of the namespace with `tls.crt` and `tls.key`",
        effect="the certificate that upstreams are shown when they ask for one",
    ),
    Annotation(
        "ingress.kubernetes.io/service-upstream",
        _SERVICE,
        _BOOLEAN,
        "`false`",
        "whether requests go to the Service by its name instead of to its endpoints",
    ),
    Annotation(
        "konghq.com/upstream-policy",
        _SERVICE,
        "name of a KongUpstreamPolicy of the namespace",
        effect="how requests are spread over the endpoints, and which endpoints count as healthy",
    ),
    Annotation(
        "konghq.com/write-timeout",
        _SERVICE,
        why_not="an upstream that does not read is given the time of `konghq.com/read-timeout`",
    ),
)

SHARED_ANNOTATIONS: Final = (
    Annotation(
        "kubernetes.io/ingress.class",
        (
            "Ingress",
            "KongConsumer",
            "KongConsumerGroup",
            "KongClusterPlugin",
            "KongVault",
            "KongServiceFacade",
            "TCPIngress",
            "UDPIngress",
        ),
        "name of an ingress class",
        "`spec.ingressClassName` of an Ingress, else whether the gateway's class is the cluster's default",
        "the object belongs to the gateway of this class",
    ),
    Annotation(
        "ingressclass.kubernetes.io/is-default-class",
        ("IngressClass",),
        _BOOLEAN,
        "`false`",
        "the gateway of this class takes objects that name no class",
    ),
    Annotation(
        "konghq.com/plugins",
        ("Ingress", "Service", "KongServiceFacade", "KongConsumer", "KongConsumerGroup"),
        "names of KongPlugins of the namespace or of KongClusterPlugins, separated by commas; `namespace:name` for a"
        " KongPlugin of another namespace, which needs a ReferenceGrant there",
        effect=(
            "these plugins run on the routes of the Ingress, on requests to the Service, for the consumer, or for the"
            " members of the group"
        ),
    ),
    Annotation(
        "konghq.com/override",
        ("Ingress", "Service"),
        "name of a KongIngress of the namespace",
        "for an Ingress the KongIngress of its own name",
        "the KongIngress says what annotations of the object do not",
    ),
)

# On any object, for people and other tools: nobody is told.
ANYWHERE: Final = (Annotation("konghq.com/tags", (), why_not="tags of Kong's database; there is none"),)

ANNOTATIONS: Final = (*SHARED_ANNOTATIONS, *INGRESS_ANNOTATIONS, *SERVICE_ANNOTATIONS, *ANYWHERE)

LABELS: Final = (
    Annotation(
        "konghq.com/ca-cert",
        ("ConfigMap", "Secret"),
        _BOOLEAN,
        effect="the object holds the certificate of an authority; only ConfigMaps need it",
    ),
    Annotation(
        "crossfade.dev/protos",
        ("ConfigMap",),
        _BOOLEAN,
        effect="the object holds .proto files for the plugin grpc-gateway, under their names",
    ),
    Annotation(
        "konghq.com/credential",
        ("Secret",),
        "a type of credentials: `key-auth`, `basic-auth`, `acl`, …",
        effect="the Secret is a credential of this type; the data key `kongCredType` of Kong 1.0 says it too",
    ),
    Annotation(
        "konghq.com/validate",
        ("Secret",),
        "`plugin`",
        effect="the webhook denies a change that spoils a plugin which takes its configuration from the Secret",
    ),
    Annotation(
        "global",
        ("KongClusterPlugin",),
        _BOOLEAN,
        "`false`",
        "the plugin runs on all requests",
    ),
)

OBJECTS_OF: Final = {one.key: one.objects for one in ANNOTATIONS}
INGRESS_WITHOUT_EFFECT: Final = without_effect_on("Ingress", ANNOTATIONS)
SERVICE_WITHOUT_EFFECT: Final = without_effect_on("Service", ANNOTATIONS)
