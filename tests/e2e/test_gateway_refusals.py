"""Objects that the gateway cannot carry out are told, and cost nobody else anything: each once with a real Envoy.

First the bad object comes and a good one is changed after it; then the gateway starts anew with both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import yaml

from tests.support.certificates import self_signed
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream
from tests.support.hostile_secrets import LAUGHS
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy


class Row(NamedTuple):
    """`manifests` may use the Services `one` and `bad`; `told` is one diagnostic; `status` is what `/bad` answers."""

    manifests: str
    told: tuple[str, ...]
    status: int


def regex(path: str) -> str:
    return (
        ingress("bad", "/", "one").replace("path: /,", f"path: '{path}',").replace("Prefix", "ImplementationSpecific")
    )


def noted(annotation: str, on: str = "Service") -> str:
    """A route /bad to a Service with the annotation, or with the annotation itself."""
    if on == "Ingress":
        return ingress("bad", "/bad", "one", annotation)
    return service("bad", 1).replace("name: bad}", f"name: bad, annotations: {{{annotation}}}}}", 1) + ingress(
        "bad", "/bad", "bad"
    )


def plugin(config: str, name: str = "rate-limiting", extra: str = "") -> str:
    """In use at /bad."""
    return (
        "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: bad}\n"
        f"plugin: {name}\n{config}\n---\n" + extra + ingress("bad", "/bad", "one", "konghq.com/plugins: bad")
    )


def from_secret(text: str) -> str:
    """A plugin whose configuration is taken from a Secret, which nobody checks before."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "text"}, "stringData": {"config": text}}
    return plugin("configFrom: {secretKeyRef: {name: text, key: config}}", extra=yaml.safe_dump(secret) + "---\n")


def consumer(data: str) -> str:
    """Known by the key `bad-key` at /bad."""
    return plugin(
        "config: {key_names: [apikey]}",
        "key-auth",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, labels: {konghq.com/credential: key-auth}}\n"
        f"stringData: {data}\n---\n"
        "apiVersion: configuration.konghq.com/v1\nkind: KongConsumer\n"
        "metadata: {name: bad, annotations: {kubernetes.io/ingress.class: kong}}\n"
        "username: bad\ncredentials: [bad]\n---\n",
    )


def named(username: str) -> str:
    """A consumer with that name and a good key."""
    return consumer("{key: bad-key}").replace("username: bad", f"username: {username}")


def with_tls(host: str, certificate: bytes, key: bytes) -> str:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pair"},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": certificate, "tls.key": key},
    }
    tls = f"  tls: [{{hosts: [{host}], secretName: pair}}]\n"
    return yaml.safe_dump(secret) + "---\n" + ingress("bad", "/bad", "one").replace("  rules:\n", f"{tls}  rules:\n")


PAIR: Final = self_signed("bad.test")
PATH_FIELD: Final = "Ingress default/bad, spec.rules[0].http.paths[0].path"
REGEX_EFFECT: Final = "this path matches no request"
IGNORED: Final = "the annotation is ignored, as if it were not there"
REFUSED: Final = "answered 503"


def annotation_field(name: str, on: str = "Service") -> str:
    return f"{on} default/bad, metadata.annotations[konghq.com/{name}]"


# The one that has no answer of its own gets what Kong says to unknown paths.
ROWS: Final[dict[str, Row]] = {
    "regex-with-quotes": Row(regex(r"/~/bad\Qa.b\E"), (PATH_FIELD, "unrecognized escape", REGEX_EFFECT), 404),
    "regex-with-octal": Row(regex(r"/~/bad\101bc"), (PATH_FIELD, "backreferences", REGEX_EFFECT), 404),
    "regex-with-byte": Row(regex(r"/~/bad\C"), (PATH_FIELD, "unrecognized escape", REGEX_EFFECT), 404),
    "regex-with-look-ahead": Row(regex("/~/bad(?=x)"), (PATH_FIELD, "look-around", REGEX_EFFECT), 404),
    "regex-too-large": Row(regex(r"/~/bad\w{9999}"), (PATH_FIELD, "bytes of memory", REGEX_EFFECT), 404),
    "regex-not-closed": Row(regex("/~/bad("), (PATH_FIELD, "unclosed group", REGEX_EFFECT), 404),
    "host-in-the-middle": Row(
        ingress("bad", "/bad", "one").replace("- http:", "- host: a.*.test\n    http:"),
        ("Ingress default/bad, spec.rules[0].host", "asterisk", "matches no request"),
        404,
    ),
    "header-regex": Row(
        noted('konghq.com/headers.x-a: "~*("', "Ingress"),
        (annotation_field("headers.x-a", "Ingress"), "unclosed group", "match no request"),
        404,
    ),
    "header-name": Row(
        noted('"konghq.com/headers.a b": v1', "Ingress"),
        (annotation_field("headers.a b", "Ingress"), "is not the name of a header", "match no request"),
        404,
    ),
    "regex-priority": Row(
        noted('konghq.com/regex-priority: "99999999999999999999"', "Ingress"),
        (annotation_field("regex-priority", "Ingress"), "too large", IGNORED),
        200,
    ),
    "read-timeout": Row(
        noted('konghq.com/read-timeout: "-5"'), (annotation_field("read-timeout"), "too small", IGNORED), 502
    ),
    "connect-timeout": Row(
        noted('konghq.com/connect-timeout: "1e9"'),
        (annotation_field("connect-timeout"), "not a whole number", IGNORED),
        502,
    ),
    "retries": Row(noted('konghq.com/retries: "5000000000"'), (annotation_field("retries"), "too large", IGNORED), 502),
    "retries-of-many-digits": Row(
        noted(f'konghq.com/retries: "{"9" * 5000}"'), (annotation_field("retries"), "out of range", IGNORED), 502
    ),
    "host-header": Row(
        noted('konghq.com/host-header: "a\\r\\nx: y"'), (annotation_field("host-header"), "line end", "Host"), 502
    ),
    "protocol": Row(noted("konghq.com/protocol: tcp"), (annotation_field("protocol"), "not supported", REFUSED), 503),
    "external-name": Row(
        "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\n"
        "spec: {type: ExternalName, externalName: 'a b'}\n---\n" + ingress("bad", "/bad", "bad"),
        ("Service default/bad, spec.externalName", "no name and port to connect to", REFUSED),
        503,
    ),
    "endpoint-address": Row(
        service("bad", 1).replace("127.0.0.1", "no-address") + ingress("bad", "/bad", "bad"),
        ("EndpointSlice default/bad-1, endpoints", "no address", "no request goes there"),
        503,
    ),
    "endpoint-port": Row(
        service("bad", 70_000) + ingress("bad", "/bad", "bad"),
        ("EndpointSlice default/bad-1, endpoints", "port 70000", "no request goes there"),
        503,
    ),
    "error-code": Row(
        from_secret("{minute: 5, error_code: 700}"), ("KongPlugin default/bad, config", "error_code", REFUSED), 503
    ),
    "limit-of-nan": Row(from_secret("minute: .nan"), ("KongPlugin default/bad", "infinite or none", REFUSED), 503),
    "yaml-bomb": Row(
        from_secret(LAUGHS), ("KongPlugin default/bad, config", "aliases stand for more than", REFUSED), 503
    ),
    "yaml-in-itself": Row(
        from_secret("minute: &a [*a]"), ("KongPlugin default/bad, config", "holds itself", REFUSED), 503
    ),
    "yaml-of-brackets": Row(from_secret("[" * 60_000), ("KongPlugin default/bad, config", "levels deep", REFUSED), 503),
    "ttl": Row(
        consumer('{key: bad-key, ttl: "9999999999999"}'),
        ("KongConsumer default/bad, credentials[0]", "Failed to parse ttl", "this credential is not accepted"),
        401,
    ),
    "ttl-of-many-digits": Row(
        consumer(f'{{key: bad-key, ttl: "{"9" * 5000}"}}'),
        ("KongConsumer default/bad, credentials[0]", "Failed to parse ttl", "this credential is not accepted"),
        401,
    ),
    "username-of-two-lines": Row(
        named('"ann\\r\\nx-admin: 1"'),
        ("KongConsumer default/bad, username", "line end", "the consumer is not known"),
        401,
    ),
    "key-of-another-certificate": Row(
        with_tls("bad.test", PAIR.certificate.encode(), self_signed("other.test").key.encode()),
        ("Secret default/pair, data", "does not belong", "another certificate"),
        200,
    ),
    "no-certificate": Row(
        with_tls("bad.test", b"\xff\xfe", PAIR.key.encode()),
        ("Secret default/pair, data", "not valid PEM", "another certificate"),
        200,
    ),
    "tls-host": Row(
        with_tls('"a b"', PAIR.certificate.encode(), PAIR.key.encode()),
        ("Ingress default/bad, spec.tls[0].hosts", "no server name", "another certificate"),
        200,
    ),
}


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[int, int]]:
    with upstream("one") as one, upstream("two") as two:
        yield one, two


@contextmanager
def gateway_with_tls(folder: Path) -> Iterator[RunningGateway]:
    (https_port,) = free_ports(1)
    with running_gateway(folder, "--https-port", str(https_port)) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstreams: tuple[int, int]) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("manifests")
    write_services(folder, upstreams)
    with gateway_with_tls(folder) as running:
        yield running


def write_services(folder: Path, upstreams: tuple[int, int]) -> None:
    one, two = upstreams
    (folder / "services.yaml").write_text(service("one", one) + service("two", two))


def is_told(gateway: RunningGateway, texts: tuple[str, ...], since: int = 0) -> bool:
    return any(all(text in line for text in texts) for line in gateway.lines[since:])


def answers_bad(gateway: RunningGateway, row: Row) -> bool:
    return gateway.get("/bad", {"apikey": "bad-key"}).status == row.status


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_object_delays_no_change_of_a_good_one(gateway: RunningGateway, name: str) -> None:
    row = ROWS[name]
    good = gateway.folder / "good.yaml"
    bad = gateway.folder / "bad.yaml"
    good.write_text(ingress("good", "/good", "one"))
    eventually(lambda: gateway.get("/good").body == "one")
    before = len(gateway.lines)
    bad.write_text(row.manifests)
    eventually(lambda: is_told(gateway, row.told, before), seen=gateway.lines)
    good.write_text(ingress("good", "/good", "two"))
    eventually(lambda: gateway.get("/good").body == "two")
    eventually(lambda: answers_bad(gateway, row), seen=gateway.get("/bad"))
    bad.unlink()
    eventually(lambda: gateway.get("/bad").status == 404)
    assert not [line for line in gateway.lines if "Envoy refused" in line]


def test_a_fresh_start_with_all_of_them_serves_the_good(tmp_path: Path, upstreams: tuple[int, int]) -> None:
    """Under names of their own, so that each is there."""
    write_services(tmp_path, upstreams)
    (tmp_path / "good.yaml").write_text(ingress("good", "/good", "one"))
    for name, row in ROWS.items():
        documents = [document for document in yaml.safe_load_all(row.manifests) if document]
        for document in documents:
            document["metadata"]["namespace"] = name
        # The upstream's Service is in another namespace: routes that would be served are answered 503.
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(documents))
    with gateway_with_tls(tmp_path) as gateway:
        assert gateway.get("/good").body == "one"
        for name, row in ROWS.items():
            told = tuple(text.replace("default/", f"{name}/") for text in row.told)
            eventually(lambda told=told: is_told(gateway, told), seen=(told, gateway.lines))  # type: ignore[misc]
        assert not [line for line in gateway.lines if "Envoy refused" in line]


def test_a_certificate_may_have_comments_in_latin_1(gateway: RunningGateway) -> None:
    """They are no fault of the certificate; it is served."""
    bad, good = gateway.folder / "bad.yaml", gateway.folder / "good.yaml"
    bad.write_text(with_tls("bad.test", b"# M\xfcller\n" + PAIR.certificate.encode(), PAIR.key.encode()))
    eventually(lambda: gateway.get("/bad").body == "one")
    good.write_text(ingress("good", "/good", "two"))
    eventually(lambda: gateway.get("/good").body == "two")
    bad.unlink()
    eventually(lambda: gateway.get("/bad").status == 404)
