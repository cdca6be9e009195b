"""The DJ walkthrough on a cluster that is not the embedded one: what of its commands is different there."""

import sys
import time
from typing import Final, NamedTuple

from crossfade.demo.replay import Shell
from crossfade.demo.walkthrough import CHAPTERS, Expected, Step
from tests.kubernetes.cluster import Cluster

NAMESPACE: Final = "kong"
SERVICE: Final = "kong-kong-proxy"
_PATIENCE_S: Final = 120.0
# Current servers know Ingress only as networking.k8s.io/v1; the embedded one has one address for every Service; images
# are pulled, and the application's has no curl.
_ASK: Final = (
    "python3 -c 'from http.client import HTTPConnection as C;"
    ' c = C("{host}", 9080); c.request("GET", "/"); r = c.getresponse(); print(r.status); print(r.read().decode())\''
)
_COMMANDS: Final = (
    ("curl -s jazz.prod.svc.cluster.local:9080", _ASK.format(host="jazz.prod.svc.cluster.local")),
    ("curl -s -o /dev/null -w '%{http_code}' jazz:9080", _ASK.format(host="jazz")),
    ("dj_ingress.yml", "dj_ingress-v1.yml"),
    ("--timeout=60s", "--timeout=180s"),
    ("--timeout=90s", "--timeout=180s"),
)
_PATTERNS: Final = (
    (r"ingress\.extensions/", r"ingress\.networking\.k8s\.io/"),
    (r" 127\.0\.0\.1 ", " {address} "),
    (r" +127\.0\.0\.1 +", " +{address} +"),
)
_TIMED: Final = {
    "mesh controller, from install to Ready": (
        "crossfade install mesh",
        "rollout status deployment/appmesh-controller",
    ),
    "gateway, from its last change to Ready": ("kubectl patch deploy", "rollout status deployment/kong-kong"),
}
"""Figures by the first and the last command that they span."""
_ANY_ADDRESS: Final = r"[\w.:-]+"


class Span(NamedTuple):
    """Of a command, in seconds since the first one began."""

    command: str
    begin: float
    end: float


class Replayed(NamedTuple):
    """`shown` of `steps` showed what they must; `failure` is what the next one did not. `seconds` by what took them."""

    steps: int
    shown: int
    failure: str
    gateway: str
    seconds: dict[str, float]


def replay(cluster: Cluster, session: Shell) -> Replayed:
    """Every step, until one does not show what it must. `gateway` is the URL of the one that is installed."""
    steps = [adapted(step) for chapter in CHAPTERS for step in chapter.steps]
    spans: list[Span] = []
    begun = time.monotonic()
    for shown, step in enumerate(steps):
        print(f"$ {step.command}", file=sys.stderr, flush=True)
        at = time.monotonic()
        outcome = session.run(step)
        spans.append(Span(step.command, at - begun, time.monotonic() - begun))
        if outcome.failures:
            claims = "\n".join(f"not shown: {claim}" for claim in outcome.failures)
            return Replayed(len(steps), shown, f"{claims}\n{outcome.output}", "", timed(spans))
        if "install gateway" in step.command:
            session.environment["GATEWAY"] = f"http://{cluster.address_of(NAMESPACE, SERVICE)}"
    return Replayed(len(steps), len(steps), "", session.environment["GATEWAY"], timed(spans))


def timed(spans: list[Span]) -> dict[str, float]:
    """How long all took, and how long what it installs took to become Ready; nothing of what was not installed."""
    seconds = {"walkthrough": spans[-1].end}
    for what, (first, last) in _TIMED.items():
        begins = [span.begin for span in spans if first in span.command]
        ends = [span.end for span in spans if last in span.command]
        if begins and ends:
            seconds[what] = ends[0] - begins[0]
    return seconds


def adapted(step: Step) -> Step:
    command = step.command
    for ours, theirs in _COMMANDS:
        command = command.replace(ours, theirs)
    shows = tuple(expected._replace(pattern=_pattern(expected)) for expected in step.shows)
    # A webhook is reached when every node's kube-proxy has heard of its pod, a moment after that is Ready.
    repeats = step.patience_s > 0 or command.startswith("kubectl apply")
    return step._replace(command=command, shows=shows, patience_s=_PATIENCE_S if repeats else 0.0)


def _pattern(expected: Expected) -> str:
    pattern = expected.pattern
    for ours, theirs in _PATTERNS:
        pattern = pattern.replace(ours, theirs.format(address=_ANY_ADDRESS))
    return pattern
