"""What becomes of calls of a virtual node's application, by the model that its sidecar is configured with."""

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade.cli.app import main

HOST = "color.prod.svc.cluster.local"
MESH = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {{name: m}}
spec: {{egressFilter: {{type: {egress}}}, namespaceSelector: {{matchLabels: {{mesh: m}}}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: front, namespace: prod}}
spec:
  podSelector: {{matchLabels: {{app: front}}}}
  backends:
    - virtualService: {{virtualServiceRef: {{name: color}}}}
    - virtualService: {{virtualServiceRef: {{name: db}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {{name: color, namespace: prod}}
spec: {{awsName: color.prod.svc.cluster.local, provider: {{virtualRouter: {{virtualRouterRef: {{name: color}}}}}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {{name: color, namespace: prod}}
spec:
  listeners: [{{portMapping: {{port: 8080, protocol: http}}}}]
  routes:
    - name: red
      priority: 1
      httpRoute:
        match: {{prefix: /, headers: [{{name: color, match: {{exact: red}}}}]}}
        action: {{weightedTargets: [{{virtualNodeRef: {{name: red}}, weight: 1}}]}}
        timeout: {{perRequest: {{unit: s, value: 60}}}}
        retryPolicy: {{maxRetries: 4, perRetryTimeout: {{unit: ms, value: 500}}, httpRetryEvents: [gateway-error]}}
    - name: shop
      httpRoute:
        match: {{prefix: /shop}}
        action:
          weightedTargets: [{{virtualNodeRef: {{name: red}}, weight: 3}}, {{virtualNodeRef: {{name: blue}}, weight: 1}}]
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {{name: db, namespace: prod}}
spec: {{awsName: db.prod.svc.cluster.local, provider: {{virtualNode: {{virtualNodeRef: {{name: db}}}}}}}}
---
"""
NODE = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: {name}, namespace: prod}}
spec:
  podSelector: {{matchLabels: {{app: {name}}}}}
  listeners: [{{portMapping: {{port: {port}, protocol: {protocol}}}}}]
  serviceDiscovery: {{dns: {{hostname: {name}.prod.svc.cluster.local}}}}
---
"""
BY_DEFAULT = "connect-failure, refused-stream, reset, unavailable, retriable-status-codes, 503"
RED, BLUE, DB = "cds_egress_m_red_prod_http_8080", "cds_egress_m_blue_prod_http_8080", "cds_egress_m_db_prod_tcp_5432"


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return written(tmp_path, "DROP_ALL")


def written(folder: Path, egress: str) -> Path:
    nodes = (("red", 8080, "http"), ("blue", 8080, "http"), ("db", 5432, "tcp"))
    texts = [NODE.format(name=name, port=port, protocol=protocol) for name, port, protocol in nodes]
    (folder / "mesh.yaml").write_text(MESH.format(egress=egress) + "".join(texts))
    return folder


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


def call(capsys: pytest.CaptureFixture[str], manifests: Path, url: str, *more: str) -> dict[str, Any]:
    told = asked(capsys, "GET", url, "--node", "prod/front", "-f", str(manifests), "--output", "json", *more)
    found: dict[str, Any] = json.loads(told)
    return found


def test_a_routed_call(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://{HOST}:8080/shop/1?q"
    assert asked(capsys, "GET", url, "--node", "prod/front", "-f", str(manifests)).splitlines() == [
        f"GET {url} from VirtualNode prod/front",
        "  listener  lds_egress_0.0.0.0_15001 0.0.0.0:15001, chain http_8080",
        f"  mesh      {HOST} (VirtualService prod/color)",
        "            route shop (VirtualRouter prod/color, spec.routes[1].httpRoute)",
        f"  targets   75 % {RED} (VirtualNode prod/red), http",
        f"            25 % {BLUE} (VirtualNode prod/blue), http",
        f"  limits    timeout 15 s; at most 2 retries, on {BY_DEFAULT}",
        "  way in    VirtualNode prod/red, spec.listeners[0]: chain http_8080, to 127.0.0.1:8080",
        "            timeout 15 s (spec.listeners[0].timeout)",
        "  way in    VirtualNode prod/blue, spec.listeners[0]: chain http_8080, to 127.0.0.1:8080",
        "            timeout 15 s (spec.listeners[0].timeout)",
    ]


def test_headers_decide_and_limits_are_told(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = call(capsys, manifests, f"http://{HOST}:8080/", "-H", "color: red")
    assert found["mesh"]["route"] == "red"
    assert [(one["cluster"], one["share"]) for one in found["targets"]] == [(RED, 1)]
    limits = found["limits"]
    assert (limits["timeout_s"], limits["retries"], limits["per_try_timeout_s"]) == (60, 4, 0.5)
    assert limits["retry_on"][-3:] == ["502", "503", "504"]


def test_connections_without_http(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = call(capsys, manifests, "http://db.prod.svc.cluster.local:5432/")
    assert (found["chain"], found["mesh"]) == ("tcp_5432", None)
    assert [one["cluster"] for one in found["targets"]] == [DB]


@pytest.mark.parametrize(
    ("url", "status", "why"),
    [
        (f"http://{HOST}:8080/", 404, "none of its routes matches"),
        ("http://other.prod.svc.cluster.local:8080/", 404, "no backend of the virtual node has that Host"),
    ],
)
def test_what_the_sidecar_answers_itself(
    manifests: Path, capsys: pytest.CaptureFixture[str], url: str, status: int, why: str
) -> None:
    found = call(capsys, manifests, url)
    assert (found["mesh"]["status"], found["mesh"]["why"], found["targets"]) == (status, why, [])


def test_what_is_no_backends(manifests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = call(capsys, manifests, "http://web.test/")
    assert closed["refusal"] == "the connection is closed: no backend has port 80, and the mesh lets nothing else out"
    assert call(capsys, manifests, "https://sqs.us-west-2.amazonaws.com/")["chain"] == "amazonaws"
    assert call(capsys, manifests, f"https://{HOST}:8080/")["refusal"].startswith("the port takes plain HTTP")
    written(tmp_path, "ALLOW_ALL")
    for url, chain in (("http://web.test/", "mesh-allow-all"), ("http://web.test:8080/", "http_8080")):
        text = asked(capsys, "GET", url, "--node", "prod/front", "-f", str(tmp_path))
        assert f"chain {chain}\n" in text
        assert "cds_egress_m_mesh-allow-all, let through to where the application connects" in text


def way_in(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What the first target's sidecar is asked, and by which field."""
    return [(one["says"], one["field"]) for one in found["targets"][0]["arrival"]["asks"]]


def test_what_the_sidecar_at_the_other_end_does(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks = {"rate-limit": "5/s burst 7", "max-request-bytes": "64Ki", "header-case": "preserve"}
    noted = ", ".join(f"crossfade.dev/{key}: '{value}'" for key, value in asks.items())
    text = (
        (manifests / "mesh.yaml")
        .read_text()
        .replace("metadata: {name: red,", f"metadata: {{annotations: {{{noted}}}, name: red,")
    )
    pool = "connectionPool: {http: {maxConnections: 9, maxPendingRequests: 3}}"
    limits = "timeout: {http: {perRequest: {unit: s, value: 4}, idle: {unit: s, value: 60}}}"
    head, _, tail = text.partition("  podSelector: {matchLabels: {app: red}}\n  listeners: [{")
    (manifests / "mesh.yaml").write_text(
        f"{head}  podSelector: {{matchLabels: {{app: red}}}}\n  listeners: [{{{pool}, {limits}, {tail}"
    )
    found = call(capsys, manifests, f"http://{HOST}:8080/shop")
    assert way_in(found) == [
        ("timeout 4 s, gaps of at most 60 s", "spec.listeners[0].timeout"),
        ("5 requests in 1 s, at most 7 at once, else 429", "metadata.annotations[crossfade.dev/rate-limit]"),
        ("at most 9 connections, 3 pending requests", "spec.listeners[0].connectionPool"),
        ("bodies of at most 65536 bytes, else 413", "metadata.annotations[crossfade.dev/max-request-bytes]"),
        (
            "names of headers keep their case",
            "metadata.annotations[crossfade.dev/header-case] of it or of its Mesh",
        ),
    ]
    assert way_in(call(capsys, manifests, "http://db.prod.svc.cluster.local:5432/")) == []


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("strict", "mutual TLS with identities of the mesh is demanded: the caller speaks it"),
        ("permissive", "mutual TLS with identities of the mesh is taken, and plain text too: the caller speaks it"),
    ],
)
def test_tls_on_the_way_in(manifests: Path, capsys: pytest.CaptureFixture[str], mode: str, told: str) -> None:
    text = (manifests / "mesh.yaml").read_text()
    noted = f"metadata: {{annotations: {{crossfade.dev/mesh-tls: {mode}}}, name: m}}"
    (manifests / "mesh.yaml").write_text(text.replace("metadata: {name: m}", noted))
    found = call(capsys, manifests, f"http://{HOST}:8080/shop")
    assert way_in(found)[0] == (told, "metadata.annotations[crossfade.dev/mesh-tls] of it or of its Mesh")
    tls = call(capsys, manifests, "http://db.prod.svc.cluster.local:5432/")["targets"][0]["arrival"]
    assert tls["chain"] == ("tcp_5432" if mode == "strict" else "tcp_5432_tls or tcp_5432")


def test_what_annotations_ask_on_the_way_out(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asks = {
        "set-request-headers": "x-a: secret",
        "remove-response-headers": "server",
        "mirror": "blue 10%",
        "fault": "delay 2s 10%, abort 503 5%, from 2026-11-28T18:00:00Z for 15m",
    }
    noted = ", ".join(f"crossfade.dev/{key}: '{value}'" for key, value in asks.items())
    text = (manifests / "mesh.yaml").read_text()
    limits = "annotations: {crossfade.dev/route-rate-limits: 'shop: 9/s'}, "
    for kind, more in (("VirtualService", f"annotations: {{{noted}}}, "), ("VirtualRouter", limits)):
        begin = f"kind: {kind}\nmetadata: {{"
        text = text.replace(f"{begin}name: color", f"{begin}{more}name: color")
    (manifests / "mesh.yaml").write_text(text)
    url = f"http://{HOST}:8080/shop"
    told = asked(capsys, "GET", url, "--node", "prod/front", "-f", str(manifests))
    at = "(VirtualService prod/color, metadata.annotations[crossfade.dev/"
    router = at.replace("VirtualService", "VirtualRouter")
    lines = told.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  asks "))
    assert [line.strip() for line in lines[first : first + 5]] == [
        f"asks      sets of the request x-a {at}set-request-headers])",
        f"takes off the answer server {at}remove-response-headers])",
        f"copies 10 % to {BLUE} {at}mirror])",
        f"9 requests in 1 s, at most 9 at once, else 429 {router}route-rate-limits])",
        f"delays 10 % by 2 s and answers 5 % with 503, in its time {at}fault])",
    ]
    assert "secret" not in told


def test_what_is_wrong_with_the_objects_of_a_call(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (manifests / "mesh.yaml").read_text()
    (manifests / "mesh.yaml").write_text(text.replace("name: blue}, weight", "name: bleu}, weight"))
    found = call(capsys, manifests, f"http://{HOST}:8080/shop")
    assert {one["ref"][1] for one in found["diagnostics"]} == {"VirtualRouter"}
    assert [one["share"] for one in found["targets"]] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("node", "more", "text"),
    [
        ("prod/back", ["-f", "."], "no VirtualNode prod/back has a sidecar; there are: prod/blue, prod/db, prod/front"),
        ("front", ["-f", "."], "--node 'front': write NAMESPACE/NAME of a VirtualNode"),
        ("prod/front", ["--admin", "127.0.0.1:1"], "a gateway's Admin API knows no sidecar"),
    ],
)
def test_what_cannot_be_asked(
    manifests: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    node: str,
    more: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(manifests)
    assert main(["explain", "GET", "http://a.test/", "--node", node, *more]) == 2
    assert text in capsys.readouterr().err
