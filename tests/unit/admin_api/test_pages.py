"""The Admin API's answers: Kong's entities, its paging and its refusals, and no secret."""

import base64
import io
import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from crossfade.admin_api.entities import all_entities, watched_upstreams
from crossfade.admin_api.envoy_admin import connection_numbers, target_healths
from crossfade.admin_api.pages import Book, Page, health_word, page
from crossfade.admin_api.plugin_entities import hidden
from crossfade.certs.default_certificate import self_signed_certificate
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.given import GivenFiles
from crossfade.gateway_files.once import compiled_files
from tests.support import tls
from tests.unit.explain.manifests import SHOP

MORE = """\
apiVersion: v1
kind: Secret
metadata: {name: limits}
stringData: {config: '{"minute": 7}'}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: secret}
plugin: rate-limiting
configFrom: {secretKeyRef: {name: limits, key: config}}
---
"""
AUTHORITY = "7f3a2c9e-5b1d-4e8f-9a60-2d4c8b7e1f35"
CERTIFIED = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: cyd, annotations: {{kubernetes.io/ingress.class: kong}}}}
username: cyd
credentials: [cyd-1, cyd-2]
---
apiVersion: v1
kind: Secret
metadata: {{name: cyd-1, labels: {{konghq.com/credential: mtls-auth}}}}
stringData: {{subject_name: cyd@mail.test}}
---
apiVersion: v1
kind: Secret
metadata: {{name: cyd-2, labels: {{konghq.com/credential: mtls-auth}}}}
stringData: {{subject_name: cyd@mail.test, ca_certificate: {AUTHORITY.upper()}}}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: certified}}
plugin: mtls-auth
config: {{ca_certificates: [{AUTHORITY}], revocation_check_mode: SKIP}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: certified, annotations: {{konghq.com/plugins: certified, konghq.com/snis: "x.safe.test, b.test"}}}}
spec:
  ingressClassName: kong
  tls: [{{hosts: ["*.safe.test", b.test], secretName: safe}}]
  rules:
  - http:
      paths:
      - {{path: /certified, pathType: Exact, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}
---
"""


def secret(name: str, metadata: str, **data: bytes) -> str:
    texts = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    head = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, {metadata}}}\n"
    return f"{head}data: {json.dumps(texts)}\n---\n"


@cache
def authority() -> tls.Pair:
    return tls.issue("authority")


def certificates() -> str:
    served = tls.issue("safe", hosts=("safe.test",))
    labels = 'labels: {konghq.com/ca-cert: "true"}, annotations: {kubernetes.io/ingress.class: kong}'
    return secret("safe", "labels: {}", tls_crt=served.certificate_pem, tls_key=served.key_pem) + secret(
        "ca", labels, id=AUTHORITY.encode(), cert=authority().certificate_pem
    )


@cache
def book() -> Book:
    manifests = (
        SHOP.replace("konghq.com/plugins: auth}", "konghq.com/plugins: 'auth, secret'}")
        + MORE
        + CERTIFIED
        + certificates()
    )
    settings = CompileSettings(salt=b"salt", default_certificate=self_signed_certificate())
    compiled, _ = compiled_files(GivenFiles(["-"], stdin=io.StringIO(manifests)), settings)
    return Book(all_entities(compiled.entities), watched_upstreams(compiled.entities))


def get(path: str, **query: str) -> Page:
    return page(book(), "GET", path, query)


def data(path: str, **query: str) -> list[dict[str, Any]]:
    found = get(path, **query)
    assert found.status == 200
    items: list[dict[str, Any]] = found.body["data"]
    return items


def test_entities_refer_to_each_other_and_are_found_by_id_and_name() -> None:
    route = get("/routes/default.shop.web..80").body
    service = get(f"/services/{route['service']['id']}").body
    assert (route["paths"], service["name"], service["host"]) == (
        ["/shop/", "~/shop$"],
        "default.web.80",
        "web.default.80.svc",
    )
    assert get(f"/routes/{route['id']}/service").body == service
    assert route["id"] in {each["id"] for each in data("/services/default.web.80/routes")}
    assert [each["target"] for each in data("/upstreams/web.default.80.svc/targets")] == ["127.0.0.1:9080"]
    assert route["tags"][:3] == ["k8s-name:shop", "k8s-namespace:default", "k8s-kind:Ingress"]


def test_certificates_are_those_of_secrets_however_clients_are_asked() -> None:
    (certificate,) = data("/certificates")
    assert (certificate["snis"], certificate["key"]) == (["*.safe.test", "b.test"], "***")
    assert {each["name"]: each["certificate"]["id"] for each in data("/snis")} == dict.fromkeys(
        certificate["snis"], certificate["id"]
    )


def test_authorities_and_the_credentials_that_name_them() -> None:
    (found,) = data("/ca_certificates")
    assert (found["id"], found["cert"]) == (AUTHORITY, authority().certificate_pem.decode())
    assert found["cert_digest"] == authority().certificate.fingerprint(hashes.SHA256()).hex()
    mapped = [(each["subject_name"], each["ca_certificate"]) for each in data("/consumers/cyd/mtls-auth")]
    assert sorted(mapped, key=str) == [("cyd@mail.test", None), ("cyd@mail.test", {"id": AUTHORITY})]


def test_a_plugin_stands_at_each_place_of_attachment() -> None:
    assert {each["name"] for each in data("/routes/default.shop.web..80/plugins")} == {"key-auth", "rate-limiting"}
    assert [each["name"] for each in data("/services/default.web.80/plugins")] == ["correlation-id"]
    assert [(each["name"], each["config"]["year"]) for each in data("/consumers/ann/plugins")] == [("rate-limiting", 1)]
    scopes = ("route", "service", "consumer", "consumer_group")
    everywhere = [each for each in data("/plugins") if all(each[scope] is None for scope in scopes)]
    assert [each["name"] for each in everywhere] == ["cors"]
    of_groups = [each["name"] for each in data("/plugins") if each["consumer_group"] is not None]
    assert of_groups == ["response-transformer"]


def test_a_configuration_from_a_secret_is_hidden_as_a_whole() -> None:
    configs = {each["name"]: each["config"] for each in data("/routes/default.shop.web..80/plugins")}
    assert configs["rate-limiting"] == {"*": "***"}
    assert configs["key-auth"]["key_names"] == ["apikey"]


def test_no_secret_is_shown() -> None:
    assert [each["key"] for each in data("/consumers/ann/key-auth")] == ["***"]
    assert data("/key-auths") == data("/consumers/ann/key-auth")
    text = json.dumps(book().collections)
    assert "s3cret" not in text
    assert "PRIVATE KEY" not in text
    config = {"redis": {"password": "a", "username": "u"}, "key_names": ["apikey"], "client_secret": "b", "token": ""}
    assert hidden(config) == {
        "redis": {"password": "***", "username": "u"},
        "key_names": ["apikey"],
        "client_secret": "***",
        "token": "",
    }


def test_pages_lead_to_each_other() -> None:
    seen, query = [], {"size": "3"}
    while True:
        found = page(book(), "GET", "/routes", query).body
        seen += [each["id"] for each in found["data"]]
        if found["next"] is None:
            break
        assert found["next"] == f"/routes?offset={found['offset']}&size=3"
        query["offset"] = found["offset"]
    assert seen == [each["id"] for each in data("/routes")]
    assert len(seen) == len(set(seen)) > 3


@pytest.mark.parametrize(
    ("query", "code"),
    [({"size": size}, 9) for size in ("0", "1001", "x", "", "9" * 5000, "²")]
    + [({"offset": "x"}, 7), ({"offset": "eA=="}, 7)],
)
def test_pages_that_are_none(query: dict[str, str], code: int) -> None:
    found = get("/routes", **query)
    assert (found.status, found.body["code"]) == (400, code)


def test_tags_select() -> None:
    assert [each["name"] for each in data("/routes", tags="k8s-name:shop")] == ["default.shop.web..80"]
    assert data("/routes", tags="k8s-name:shop,k8s-name:deals") == []


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/routes/nothing", "/routes/default.shop.web..80/x", "/services/x/routes"]
)
def test_what_is_not_there(path: str) -> None:
    assert get(path) == Page(404, {"message": "Not found"})


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("POST", "/services", "cannot create 'services' entities when not using a database"),
        ("PATCH", "/routes/x", "cannot update 'routes' entities when not using a database"),
        ("PUT", "/consumers/x", "cannot create or update 'consumers' entities when not using a database"),
        ("DELETE", "/consumers/x/key-auth/y", "cannot remove 'keyauth_credentials' entities when not using a database"),
    ],
)
def test_nothing_is_written(method: str, path: str, text: str) -> None:
    assert page(book(), method, path, {}) == Page(405, {"code": 12, "name": "operation unsupported", "message": text})


@pytest.mark.parametrize(
    ("healths", "is_watched", "word"),
    [
        ({}, False, "HEALTHCHECKS_OFF"),
        ({"a:1": True}, True, "HEALTHY"),
        ({"a:1": False, "b:1": True}, True, "UNHEALTHY"),
        ({"c:1": False, "b:1": True}, True, "HEALTHY"),
        ({}, True, "DNS_ERROR"),
    ],
)
def test_healths(healths: dict[str, bool], *, is_watched: bool, word: str) -> None:
    assert health_word("a:1", healths, is_watched=is_watched) == word


def test_what_envoy_says() -> None:
    def host(address: str, **status: Any) -> dict[str, Any]:
        return {"address": {"socket_address": {"address": address, "port_value": 1}}, "health_status": status}

    hosts = [
        host("a", eds_health_status="HEALTHY"),
        host("b", eds_health_status="HEALTHY", failed_outlier_check=True),
        host("::1", eds_health_status="UNHEALTHY"),
    ]
    found = target_healths({"cluster_statuses": [{"name": "c", "host_statuses": hosts}]})
    assert found == {"c": {"a:1": True, "b:1": False, "[::1]:1": False}}
    names = ("http.http.downstream_cx_active", "http.admin.downstream_cx_active", "http.http.downstream_rq_active")
    numbers = connection_numbers({"stats": [{"name": name, "value": 3} for name in names]})
    assert (numbers["connections_active"], numbers["connections_writing"], numbers["connections_waiting"]) == (3, 3, 0)
    assert set(connection_numbers({}).values()) == {0}
