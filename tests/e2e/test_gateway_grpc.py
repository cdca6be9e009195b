"""gRPC through the gateway: calls of all four kinds, trailers, errors in Kong's words, with and without TLS."""

import http.client
import json
from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from tests.support.certificates import self_signed
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

PLUGINS = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: keys}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: once}
plugin: rate-limiting
config: {hour: 1, policy: local}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
credentials: [ann-key]
---
apiVersion: v1
kind: Secret
metadata: {name: ann-key, labels: {konghq.com/credential: key-auth}}
stringData: {key: sesame}
---
"""
GRPC = 'konghq.com/protocols: "grpc,grpcs"'


def _hello(question: bytes, context: grpc.ServicerContext) -> bytes:
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-first", "1"),))
    context.set_trailing_metadata((("x-last", "2"), ("x-consumer", str(told.get("x-consumer-username", "")))))
    return b"hello " + question


def _count(question: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    del context
    yield from (b"%d" % number for number in range(int(question)))


def _sum(questions: Iterable[bytes], context: grpc.ServicerContext) -> bytes:
    del context
    return b"%d" % sum(map(int, questions))


def _echo(questions: Iterable[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    del context
    yield from questions


def _fail(question: bytes, context: grpc.ServicerContext) -> bytes:
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no {question.decode()}: ä")
    raise AssertionError


METHODS = {
    "Hello": grpc.unary_unary_rpc_method_handler(_hello),
    "Count": grpc.unary_stream_rpc_method_handler(_count),
    "Sum": grpc.stream_unary_rpc_method_handler(_sum),
    "Echo": grpc.stream_stream_rpc_method_handler(_echo),
    "Fail": grpc.unary_unary_rpc_method_handler(_fail),
}


@contextmanager
def shop(credentials: grpc.ServerCredentials | None = None) -> Iterator[int]:
    """Messages are plain bytes: what is in them is none of the gateway's business."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", METHODS),))
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class Lab(NamedTuple):
    """`plain` takes HTTP/2 without TLS."""

    gateway: RunningGateway
    plain: int
    secure: int
    certificate: bytes


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("manifests")
    plain, secure = free_ports(2)
    made = self_signed("localhost")
    own = tmp_path_factory.mktemp("keys")
    (own / "tls.crt").write_text(made.certificate)
    (own / "tls.key").write_text(made.key)
    upstream_tls = grpc.ssl_server_credentials([(made.key.encode(), made.certificate.encode())])
    with shop() as port, shop(upstream_tls) as tls_port:
        (folder / "all.yaml").write_text(
            PLUGINS
            + speaking("grpc", "shop", port)
            + speaking("grpcs", "vault", tls_port)
            + speaking("grpc", "nobody", free_ports(1)[0])
            + on_host("shop.test", "open", "shop", GRPC)
            + on_host("vault.test", "vault", "vault", GRPC)
            + on_host("tls.test", "tls", "shop", "konghq.com/protocols: grpcs")
            + on_host("keys.test", "guarded", "shop", f"{GRPC}, konghq.com/plugins: keys")
            + on_host("once.test", "once", "shop", f"{GRPC}, konghq.com/plugins: once")
            + on_host("nobody.test", "nobody", "nobody", f"{GRPC}")
        )
        settings = {
            "KONG_PROXY_LISTEN": f"127.0.0.1:{plain} http2, 127.0.0.1:{secure} ssl http2",
            "KONG_SSL_CERT": str(own / "tls.crt"),
            "KONG_SSL_CERT_KEY": str(own / "tls.key"),
        }
        with running_gateway(folder, settings=settings) as running:
            running.port = plain
            eventually(lambda: unary(plain, "shop.test", "Hello", b"x") == b"hello x", seen=running.lines)
            yield Lab(running, plain, secure, made.certificate.encode())


def speaking(protocol: str, name: str, port: int) -> str:
    annotated = f"{{name: {name}, annotations: {{konghq.com/protocol: {protocol}}}}}"
    return service(name, port).replace(f"{{name: {name}}}", annotated, 1)


def on_host(host: str, name: str, service_name: str, annotations: str) -> str:
    return ingress(name, "/", service_name, annotations).replace("- http:", f"- host: {host}\n    http:")


@contextmanager
def channel_to(port: int, host: str, certificate: bytes | None = None) -> Iterator[grpc.Channel]:
    options = [("grpc.default_authority", host)]
    if certificate is not None:
        options.append(("grpc.ssl_target_name_override", "localhost"))
        made = grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(certificate), options)
    else:
        made = grpc.insecure_channel(f"127.0.0.1:{port}", options)
    with made:
        yield made


def unary(port: int, host: str, method: str, question: bytes, **metadata: str) -> bytes:
    with channel_to(port, host) as channel:
        call = channel.unary_unary(f"/shop.Shop/{method}")
        return bytes(call(question, metadata=tuple(metadata.items()), timeout=20))


def refusal(port: int, host: str, method: str = "Hello", **metadata: str) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        unary(port, host, method, b"ann", **metadata)
    return raised.value.code(), raised.value.details() or ""


@pytest.mark.parametrize("host", ["shop.test", "vault.test"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_calls_of_all_kinds(lab: Lab, host: str, is_tls: bool) -> None:
    port, certificate = (lab.secure, lab.certificate) if is_tls else (lab.plain, None)
    with channel_to(port, host, certificate) as channel:
        answer, call = channel.unary_unary("/shop.Shop/Hello").with_call(b"ann", timeout=20)
        assert answer == b"hello ann"
        first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
        assert (first["x-first"], last["x-last"]) == ("1", "2")
        assert first["via"] == "1.1 kong/3.9.1"
        assert list(channel.unary_stream("/shop.Shop/Count")(b"5", timeout=20)) == [b"0", b"1", b"2", b"3", b"4"]
        assert channel.stream_unary("/shop.Shop/Sum")(iter([b"1", b"2", b"3"]), timeout=20) == b"6"
        large = b"x" * 300_000
        assert list(channel.stream_stream("/shop.Shop/Echo")(iter([b"a", large, b"c"]), timeout=20)) == [
            b"a",
            large,
            b"c",
        ]


def test_a_stream_goes_back_and_forth(lab: Lab) -> None:
    """Each answer is there before the next question is asked."""
    with channel_to(lab.plain, "shop.test") as channel:
        asked: list[bytes] = []

        def questions() -> Iterator[bytes]:
            for number in range(3):
                asked.append(b"%d" % number)
                yield asked[-1]
                answered.result(timeout=20)

        answered: futures.Future[None] = futures.Future()
        answers = channel.stream_stream("/shop.Shop/Echo")(questions(), timeout=20)
        assert next(answers) == b"0"
        assert asked == [b"0"]
        answered.set_result(None)
        assert list(answers) == [b"1", b"2"]


def test_the_services_own_errors_pass(lab: Lab) -> None:
    with channel_to(lab.plain, "shop.test") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/shop.Shop/Fail")(b"ann", timeout=20)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert raised.value.details() == "no ann: ä"
    assert dict(raised.value.trailing_metadata())["x-why"] == "because"
    assert refusal(lab.plain, "shop.test", "Unknown")[0] is grpc.StatusCode.UNIMPLEMENTED


def test_plugins_guard_calls(lab: Lab) -> None:
    assert refusal(lab.plain, "keys.test") == (grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
    assert refusal(lab.plain, "keys.test", apikey="wrong") == (grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
    with channel_to(lab.plain, "keys.test") as channel:
        _, call = channel.unary_unary("/shop.Shop/Hello").with_call(b"", metadata=(("apikey", "sesame"),), timeout=20)
        assert dict(call.trailing_metadata())["x-consumer"] == "ann"
    assert unary(lab.plain, "once.test", "Hello", b"") == b"hello "
    assert refusal(lab.plain, "once.test") == (grpc.StatusCode.RESOURCE_EXHAUSTED, "ResourceExhausted")


def test_the_gateways_own_errors(lab: Lab) -> None:
    assert refusal(lab.plain, "elsewhere.test") == (grpc.StatusCode.NOT_FOUND, "NotFound")
    assert refusal(lab.plain, "tls.test") == (grpc.StatusCode.CANCELLED, "gRPC request matched gRPCs route")
    assert refusal(lab.plain, "nobody.test") == (
        grpc.StatusCode.INTERNAL,
        "An invalid response was received from the upstream server",
    )
    with channel_to(lab.secure, "tls.test", lab.certificate) as channel:
        assert channel.unary_unary("/shop.Shop/Hello")(b"ann", timeout=20) == b"hello ann"


@pytest.mark.parametrize(
    ("content_type", "status", "message", "upgrade"),
    [
        ("application/json", 415, "Non-gRPC request matched gRPC route", None),
        ("application/grpc", 426, "Please use HTTP2 protocol", "HTTP/2"),
    ],
)
def test_what_is_no_grpc(lab: Lab, content_type: str, status: int, message: str, upgrade: str | None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", lab.plain, timeout=10)
    try:
        connection.request("POST", "/shop.Shop/Hello", b"", {"Host": "shop.test", "Content-Type": content_type})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Upgrade"]) == (status, upgrade)
        assert json.loads(answer.read())["message"] == message
    finally:
        connection.close()


def test_a_change_is_live_for_calls_too(lab: Lab) -> None:
    manifests = Path(lab.gateway.folder) / "all.yaml"
    before = manifests.read_text()
    with channel_to(lab.plain, "new.test") as channel:
        call = channel.unary_unary("/shop.Shop/Hello")
        manifests.write_text(before + on_host("new.test", "new", "shop", GRPC))
        eventually(lambda: _answers(call), seen=lab.gateway.lines)


def _answers(call: "grpc.UnaryUnaryMultiCallable[bytes, bytes]") -> bool:
    try:
        return call(b"x", timeout=20) == b"hello x"
    except grpc.RpcError:
        return False
