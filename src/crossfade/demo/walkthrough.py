"""The DJ walkthrough as data: every command as a user types it, and what its output must show."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class Expected(NamedTuple):
    """`pattern` is searched in the output (multi-line); `claim` says in words what it stands for."""

    pattern: str
    claim: str


class Step(NamedTuple):
    """One command line for bash, with `kubectl` and `crossfade` on the PATH and `$GATEWAY` set.

    `patience_s`: how long the command may be repeated until it shows what it must (0: it runs once, since repeating
    it would change something). `room_s`: seconds that the current UTC minute must still have when it starts.
    """

    command: str
    shows: tuple[Expected, ...] = ()
    patience_s: float = 0.0
    room_s: float = 0.0
    exit_code: int = 0


class Chapter(NamedTuple):
    title: str
    steps: tuple[Step, ...]


ARN: Final = r"arn:aws:appmesh:us-west-2:\d*:mesh/dj-app"
JAZZ: Final = r'\["Astrud Gilberto( \(Bahia, Brazil\))?","Miles Davis( \(Alton, Illinois\))?"\]'
METAL: Final = r'\["Megadeth( \(Los Angeles, California\))?","Judas Priest( \(West Bromwich, England\))?"\]'
LIMITED: Final = r'\{\n  "message":"API rate limit exceeded"\n\}'
KEYLESS: Final = r'\{\n  "message":"No API key found in request"\n\}'
RUN_AS_PROXY_USER: Final = (
    '{"spec":{"template":{"spec":{"containers":'
    '[{"name":"ingress-controller","securityContext":{"runAsUser": 1337}}]}}}}'
)
CONTAINERS: Final = (
    '{range .items[*]}{"pod: "}{.metadata.name}{"\\n"}{range .spec.containers[*]}'
    '{"\\tname: "}{.name}{"\\n\\timage: "}{.image}{"\\n"}{end}'
)
READY_S: Final = 60.0
SOON_S: Final = 15.0


def _apply(path: str, *created: str, verb: str = "apply") -> Step:
    return Step(
        f"kubectl {verb} -f examples/{path}",
        tuple(
            Expected(rf"^{re.escape(name)} (created|configured|unchanged)$", f"{name} is stored") for name in created
        ),
    )


def _arn(kind: str, name: str, aws_name: str) -> Expected:
    return Expected(rf"^(\S+ +)?{name} +{ARN}/{kind}/{re.escape(aws_name)} ", f"{name} has its ARN")


MESH: Final = Chapter(
    "Deploy the DJ service mesh application",
    (
        _apply("djapp/1_base_application/base_app.yaml", "deployment.apps/dj", "service/jazz-v1"),
        Step(
            "kubectl rollout status deployment -n prod --timeout=60s", (Expected("successfully rolled out", "it runs"),)
        ),
        Step(
            "crossfade install mesh | kubectl apply -f -",
            (Expected(r"^customresourcedefinition\S+/virtualnodes\.appmesh\.k8s\.aws ", "App Mesh's kinds are known"),),
        ),
        Step("kubectl rollout status deployment/appmesh-controller -n appmesh-system --timeout=60s"),
        _apply(
            "djapp/2_meshed_application/meshed_app.yaml",
            "mesh.appmesh.k8s.aws/dj-app",
            "virtualnode.appmesh.k8s.aws/dj",
            "virtualrouter.appmesh.k8s.aws/jazz-router",
            "virtualservice.appmesh.k8s.aws/jazz",
        ),
        Step(
            "kubectl rollout restart deployment -n prod",
            (Expected("deployment.apps/dj restarted", "pods are renewed"),),
        ),
        _apply(
            "djapp/3_canary_new_version/v2_app.yaml",
            "deployment.apps/jazz-v2",
            "virtualrouter.appmesh.k8s.aws/jazz-router",
        ),
        Step(
            "kubectl rollout status deployment -n prod --timeout=90s", (Expected("successfully rolled out", "it runs"),)
        ),
        Step(
            "kubectl get pods -n prod",
            (Expected(r"^dj-\S+ +2/2 +Running", "each pod has its Envoy"), Expected(r"^jazz-v2-\S+ +2/2", "v2 too")),
            patience_s=READY_S,
        ),
        Step(
            "kubectl get virtualservices -n prod",
            (
                Expected("^NAME +ARN +AGE$", "the columns of App Mesh"),
                _arn("virtualService", "jazz", "jazz.prod.svc.cluster.local"),
                _arn("virtualService", "metal", "metal.prod.svc.cluster.local"),
            ),
            patience_s=SOON_S,
        ),
        Step(
            "kubectl get virtualrouters -n prod",
            (
                _arn("virtualRouter", "jazz-router", "jazz-router_prod"),
                _arn("virtualRouter", "metal-router", "metal-router_prod"),
            ),
            patience_s=SOON_S,
        ),
        Step(
            "kubectl get virtualnodes -n prod",
            tuple(_arn("virtualNode", n, f"{n}_prod") for n in ("dj", "jazz-v1", "jazz-v2", "metal-v1", "metal-v2")),
            patience_s=SOON_S,
        ),
        Step(
            "kubectl describe virtualrouter jazz-router -n prod",
            (
                Expected(r"Name: +jazz-v1\n +Weight: +95$", "95 of 100 requests go to v1"),
                Expected(r"Name: +jazz-v2\n +Weight: +5$", "5 of 100 requests go to v2"),
            ),
        ),
        Step(
            "kubectl exec -n prod deploy/dj -c dj -- curl -s jazz.prod.svc.cluster.local:9080",
            (Expected(JAZZ, "the mesh routes the full name"),),
            patience_s=SOON_S,
        ),
        Step(
            "kubectl exec -n prod deploy/dj -c dj -- curl -s -o /dev/null -w '%{http_code}' jazz:9080",
            (Expected("^404$", "App Mesh does not know the short name"),),
            patience_s=SOON_S,
        ),
    ),
)

GATEWAY: Final = Chapter(
    "Deploy the Kong gateway into the mesh",
    (
        Step("kubectl create namespace kong", (Expected("namespace/kong created", "the namespace exists"),)),
        Step(
            "kubectl label namespace kong mesh=dj-app appmesh.k8s.aws/sidecarInjectorWebhook=enabled",
            (Expected("namespace/kong labeled", "it joins the mesh"),),
        ),
        _apply("kong/kongvirtualnode.yml", "virtualnode.appmesh.k8s.aws/kong"),
        Step(
            "kubectl get virtualnodes --all-namespaces",
            (_arn("virtualNode", "kong", "kong_kong"),),
            patience_s=SOON_S,
        ),
        Step(
            "crossfade install gateway --release kong --namespace kong | kubectl apply -f -",
            (Expected(r"^deployment\.apps/kong-kong created$", "the gateway is installed"),),
        ),
        Step(
            "kubectl get pods -n kong",
            (Expected(r"^kong-kong-\S+ +[12]/3 +", "the ingress controller cannot reach the API server: DROP_ALL"),),
            patience_s=SOON_S,
        ),
        Step(
            f"kubectl patch deploy -n kong kong-kong -p '{RUN_AS_PROXY_USER}'",
            (Expected(r"deployment\.apps/kong-kong patched", "uid 1337 bypasses the sidecar"),),
        ),
        Step("kubectl rollout status deployment/kong-kong -n kong --timeout=60s"),
        Step(
            "kubectl get pods -n kong",
            (Expected(r"^kong-kong-\S+ +3/3 +Running +\d+", "all three containers of the new pod are ready"),),
            patience_s=READY_S,
        ),
        Step(
            "kubectl get service -n kong",
            (
                Expected(
                    r"^kong-kong-proxy +LoadBalancer +\S+ +127\.0\.0\.1 +80:\d+/TCP,443:\d+/TCP", "it has an address"
                ),
            ),
            patience_s=SOON_S,
        ),
        Step(
            f"kubectl get po -n kong -o jsonpath='{CONTAINERS}'",
            tuple(
                Expected(rf"^\tname: {name}$", f"container {name}") for name in ("ingress-controller", "proxy", "envoy")
            ),
        ),
    ),
)

INGRESS: Final = Chapter(
    "Define an Ingress that exposes the mesh",
    (
        _apply("kong/fqdn-service-routing.yaml", "kongingress.configuration.konghq.com/fqdn-jazz", "service/jazz"),
        _apply("kong/dj_ingress.yml", "ingress.extensions/djingress", verb="create"),
        _apply(
            "kong/kongingress-dontpreservehost.yml",
            "kongingress.configuration.konghq.com/do-not-preserve-host",
            verb="create",
        ),
        Step(
            "kubectl get ingress -n prod",
            (Expected(r"^djingress +\S+ +\* +127\.0\.0\.1 +80 ", "the Ingress has the gateway's address"),),
            patience_s=SOON_S,
        ),
        Step("curl -s $GATEWAY/dj/jazz", (Expected(JAZZ, "jazz answers through gateway and mesh"),), patience_s=SOON_S),
        Step("curl -s $GATEWAY/dj/metal", (Expected(METAL, "metal too"),), patience_s=SOON_S),
        Step(
            "for i in $(seq 100); do curl -s $GATEWAY/dj/jazz/; echo; done | sort | uniq -c",
            (
                Expected(r'^ *\d+ \["Astrud Gilberto","Miles Davis"\]$', "most answers come from v1"),
                Expected(r"\A( *\d+ \[.*\]\n)+\Z", "nothing but answers of jazz"),
            ),
        ),
        Step(
            "curl -s $GATEWAY/elsewhere",
            (Expected('"message":"no Route matched with those values"', "Kong's answer to an unknown path"),),
        ),
    ),
)

RATE_LIMIT: Final = Chapter(
    "Apply a rate-limiting policy",
    (
        _apply("kong/ratelimiting.yml", "kongplugin.configuration.konghq.com/rl-by-minute", verb="create"),
        Step(
            "kubectl patch ingress djingress -n prod -p"
            ' \'{"metadata":{"annotations":{"konghq.com/plugins":"rl-by-minute"}}}\'',
            (Expected(r"djingress patched", "the policy is attached"),),
        ),
        Step(
            "curl -s -D - -o /dev/null $GATEWAY/dj/metal | grep -i ratelimit",
            (Expected(r"(?i)^x-ratelimit-limit-minute: 3\r?$", "the limit is live"),),
            patience_s=SOON_S,
        ),
        Step(
            "for i in 1 2 3 4; do curl -s $GATEWAY/dj/jazz/; echo; done",
            (
                Expected(rf"\A({JAZZ}\n){{3}}", "three requests pass"),
                Expected(rf"{LIMITED}\n\Z", "the fourth is refused"),
            ),
            room_s=10.0,
        ),
    ),
)

API_KEY: Final = Chapter(
    "Ask for an API key",
    (
        _apply("kong/apikey.yml", "kongplugin.configuration.konghq.com/apikey", verb="create"),
        Step(
            "kubectl patch ingress djingress -n prod -p"
            ' \'{"metadata":{"annotations":{"konghq.com/plugins":"apikey, rl-by-minute"}}}\'',
            (Expected(r"djingress patched", "both policies are attached"),),
        ),
        Step("curl -s $GATEWAY/dj/jazz", (Expected(rf"\A{KEYLESS}\Z", "no key, no answer"),), patience_s=SOON_S),
        Step(
            "kubectl create secret generic consumerapikey -n prod"
            " --from-literal=kongCredType=key-auth --from-literal=key=kong-secret",
            (Expected("secret/consumerapikey created", "the key exists"),),
        ),
        _apply("kong/consumer.yml", "kongconsumer.configuration.konghq.com/consumer1"),
        Step(
            "curl -s $GATEWAY/dj/jazz -H 'apikey:kong-secret'",
            (Expected(rf"\A{JAZZ}\Z", "the key opens the door"),),
            patience_s=SOON_S,
            room_s=10.0,
        ),
    ),
)

CLEAN_UP: Final = Chapter(
    "Clean up",
    (
        Step(
            "kubectl delete namespace prod kong",
            (
                Expected('namespace "prod" deleted', "all of the application goes"),
                Expected('"kong"', "the gateway too"),
            ),
        ),
        Step("kubectl delete mesh dj-app", (Expected("dj-app.* deleted", "nothing holds the mesh any more"),)),
        Step(
            "kubectl get virtualnodes,virtualrouters,virtualservices --all-namespaces",
            (Expected("No resources found", "nothing is left"),),
        ),
    ),
)

CHAPTERS: Final = (MESH, GATEWAY, INGRESS, RATE_LIMIT, API_KEY)


def missing(step: Step, output: str) -> Iterator[str]:
    """The claims of a step that its output does not bear out."""
    for expected in step.shows:
        if not re.search(expected.pattern, output, re.MULTILINE):
            yield expected.claim
