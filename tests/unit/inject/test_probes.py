from typing import Any

import jsonpatch
import pytest

from crossfade.envoy.probes import ProbedPort, probes_from_text, probes_text
from crossfade.inject.probes import moved_probes

Json = dict[str, Any]


def spec(*containers: Json) -> Json:
    return {"containers": list(containers)}


def http(port: Any, path: str | None = "/live", **more: Any) -> Json:
    return {"httpGet": {"port": port, **({"path": path} if path is not None else {}), **more}}


def moved(pod_spec: Json, captured: str = "8080,9000:9010") -> tuple[tuple[ProbedPort, ...], Json]:
    found = moved_probes(pod_spec, captured)
    result: Json = jsonpatch.apply_patch({"spec": pod_spec}, found.patch)["spec"]
    return found.ports, result


def test_probes_of_one_captured_port_share_a_port_of_the_sidecar() -> None:
    app = {"name": "app", "readinessProbe": http(8080, "/ready?full=1"), "livenessProbe": {"grpc": {"port": 8080}}}
    ports, found = moved(spec(app, {"name": "other", "startupProbe": http(9005, None)}))
    assert ports == (
        ProbedPort(15021, 8080, ("/ready?full=1",), takes_grpc=True),
        ProbedPort(15022, 9005, ("/",)),
    )
    assert found["containers"][0]["readinessProbe"]["httpGet"] == {"port": 15021, "path": "/ready?full=1"}
    assert found["containers"][0]["livenessProbe"] == {"grpc": {"port": 15021}}
    assert found["containers"][1]["startupProbe"]["httpGet"]["port"] == 15022


def test_hooks_are_moved_and_named_ports_are_looked_up() -> None:
    app = {
        "name": "app",
        "ports": [{"name": "web", "containerPort": 8080}, {"containerPort": 15021}],
        "lifecycle": {"preStop": http("web", "bye")},
    }
    ports, found = moved(spec(app))
    assert ports == (ProbedPort(15022, 8080, ("/bye",)),)
    assert found["containers"][0]["lifecycle"]["preStop"]["httpGet"]["port"] == 15022


@pytest.mark.parametrize(
    "probe",
    [
        {"tcpSocket": {"port": 8080}},
        {"exec": {"command": ["true"]}},
        http(7000),
        http("nobody"),
        http(8080, scheme="HTTPS"),
        http(8080, host="example.com"),
        http(8080, "/a b"),
        http(8080, "/a#b"),
        None,
    ],
)
def test_other_checks_stay_as_they_are(probe: Json | None) -> None:
    assert moved_probes(spec({"name": "app", "readinessProbe": probe}), "8080") == ((), [])


def test_nothing_is_moved_where_nothing_is_captured() -> None:
    assert moved_probes(spec({"name": "app", "readinessProbe": http(8080)}), "") == ((), [])


def test_probed_ports_survive_as_text() -> None:
    ports = (ProbedPort(1, 2, ("/a",), takes_grpc=True), ProbedPort(3, 4))
    assert probes_from_text(probes_text(ports)) == ports
    assert probes_from_text("") == ()


@pytest.mark.parametrize("text", ["{", "[1]", "[[1]]", '[["a", 1, [], false]]', "null"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        probes_from_text(text)
