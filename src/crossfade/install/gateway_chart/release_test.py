"""What `helm test` asks of a gateway."""

from typing import Any

from crossfade.install.chart import release_test
from crossfade.install.gateway_chart.names import FULLNAME, PROXY_SERVICE, image
from crossfade.install.template.nodes import (
    NAMESPACE,
    RELEASE,
    All,
    Each,
    Given,
    Item,
    Merged,
    Value,
    When,
    text,
)


def release_test_of_proxy() -> Any:
    """Whether its proxy answers at its Service, be it that there is no route."""
    http, pull = Value("proxy.http"), Value("image.pullSecrets")
    port = Value(f"{http.path}.servicePort")
    # Of Kong's labels those by which no Service takes the pod for a gateway.
    labels = Merged(
        {"app.kubernetes.io/component": "test", "app.kubernetes.io/instance": RELEASE}, (Given("extraLabels"),)
    )
    pod = release_test(
        {"name": text(FULLNAME, "-test"), "namespace": NAMESPACE, "labels": labels},
        image("ingressController.image"),
        [text("http://", PROXY_SERVICE, ".", NAMESPACE, ".svc:", port, "/")],
        imagePullSecrets=When(pull, [Each(pull, {"name": Item()})]),
        nodeSelector=Given("nodeSelector"),
        tolerations=Given("tolerations"),
    )
    return When(All((Value("proxy.enabled"), Value(f"{http.path}.enabled"))), pod)
