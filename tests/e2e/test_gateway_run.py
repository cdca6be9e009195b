"""The gateway alone on a directory of manifests: what its user sees of changes, mistakes, and its end."""

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from crossfade.certs.ca import create_authority
from crossfade.certs.issuer import issue_server_certificate
from tests.support.gateway import KEY, RunningGateway, eventually, ingress, running_gateway, service, upstream
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

LIMIT = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
config: {hour: %s}
---
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with upstream("one") as one, upstream("two") as two:
        (tmp_path / "services.yaml").write_text(service("one", one) + service("two", two))
        with running_gateway(tmp_path) as running:
            yield running


def test_a_file_added_changed_and_removed_is_live(gateway: RunningGateway) -> None:
    file = gateway.folder / "route.yaml"
    assert gateway.get("/x").status == 404
    file.write_text(ingress("route", "/x", "one"))
    eventually(lambda: gateway.get("/x").body == "one")
    file.write_text(ingress("route", "/x", "two"))
    eventually(lambda: gateway.get("/x").body == "two")
    file.unlink()
    eventually(lambda: gateway.get("/x").status == 404)


def told(gateway: RunningGateway, text: str) -> str:
    """The line that says it."""
    eventually(lambda: any(text in line for line in gateway.lines), seen=gateway.lines)
    return next(line for line in gateway.lines if text in line)


def test_a_file_that_is_no_yaml_changes_nothing_and_is_explained(gateway: RunningGateway) -> None:
    file = gateway.folder / "limit.yaml"
    file.write_text(LIMIT % 3 + ingress("route", "/x", "one", "konghq.com/plugins: limit"))
    eventually(lambda: gateway.get("/x").headers.get("x-ratelimit-limit-hour") == "3")
    file.write_text(LIMIT % 4 + ingress("route", "/x", "two") + "a: [")
    assert told(gateway, "last valid content").startswith(f"{file}:17: error: ")
    answer = gateway.get("/x")
    assert (answer.body, answer.headers["x-ratelimit-limit-hour"]) == ("one", "3")
    file.write_text(ingress("route", "/x", "two"))
    eventually(lambda: gateway.get("/x").body == "two")
    assert told(gateway, "it is in order again")


def test_a_refused_object_keeps_nothing_else_out(tmp_path: Path) -> None:
    """Refused from the start, then beside a good change, mended, refused again, and after a restart."""
    file = tmp_path / "all.yaml"

    def write(limit: str, port: int) -> None:
        plugin = LIMIT % limit
        limited = ingress("limited", "/limited", "one", "konghq.com/plugins: limit")
        file.write_text(plugin + service("one", port) + limited + ingress("open", "/open", "one"))

    with upstream("one") as one, upstream("two") as two:
        write('"many"', one)
        with running_gateway(tmp_path) as gateway:
            assert gateway.get("/open").body == "one"
            assert gateway.get("/limited").status == 503
            line = told(gateway, "config.hour")
            assert line.startswith(f"{file}:5: error: KongPlugin default/limit, config.hour: ")
            assert "answered 503" in line
            assert "last valid" not in line
            assert told(gateway, "ready").endswith("1 file, 2 with errors: ready")
            write('"many"', two)
            eventually(lambda: gateway.get("/open").body == "two")
            assert told(gateway, "1 object changed (EndpointSlice default/one-1): live after ")
            write("9", two)
            eventually(lambda: gateway.get("/limited").status == 200)
            assert told(gateway, "KongPlugin default/limit is in order again").startswith(f"{file}:1: ")
            write('"many"', one)
            eventually(lambda: gateway.get("/limited").body == "one")
            assert gateway.get("/limited").headers["x-ratelimit-limit-hour"] == "9"
            assert told(gateway, "its last valid state stays in use")
        with running_gateway(tmp_path) as gateway:
            assert gateway.get("/limited").status == 503
            assert gateway.get("/open").body == "one"


def test_a_refused_route_that_never_was_is_absent(gateway: RunningGateway) -> None:
    wrong = ingress("wrong", "/wrong", "one").replace("rules:", "rules: nothing\n  other:")
    (gateway.folder / "routes.yaml").write_text(wrong + ingress("good", "/good", "two"))
    eventually(lambda: gateway.get("/good").body == "two")
    assert gateway.get("/wrong").status == 404
    assert "its rules match no request" in told(gateway, "Ingress default/wrong")


def test_a_mounted_config_map_is_followed(gateway: RunningGateway) -> None:
    for name in ("one", "two"):
        (gateway.folder / f"..{name}").mkdir()
        (gateway.folder / f"..{name}" / "route.yaml").write_text(ingress("route", "/x", name))
    (gateway.folder / "..data").symlink_to("..one")
    (gateway.folder / "route.yaml").symlink_to("..data/route.yaml")
    eventually(lambda: gateway.get("/x").body == "one")
    (gateway.folder / "..new").symlink_to("..two")
    (gateway.folder / "..new").rename(gateway.folder / "..data")
    eventually(lambda: gateway.get("/x").body == "two")


def test_counters_survive_a_change_elsewhere(gateway: RunningGateway) -> None:
    (gateway.folder / "limit.yaml").write_text(LIMIT % 2 + ingress("route", "/x", "one", "konghq.com/plugins: limit"))
    eventually(lambda: gateway.get("/x").status == 429)
    (gateway.folder / "more.yaml").write_text(ingress("more", "/y", "two"))
    eventually(lambda: gateway.get("/y").status == 200)
    assert gateway.get("/x").status == 429


def test_keys_are_asked_for_as_soon_as_the_plugin_is_there(gateway: RunningGateway) -> None:
    (gateway.folder / "key.yaml").write_text(KEY + ingress("route", "/x", "one", "konghq.com/plugins: key"))
    eventually(lambda: gateway.get("/x").status == 401)
    eventually(lambda: gateway.get("/x", {"apikey": "sesame"}).status == 200)
    assert gateway.get("/x", {"apikey": "guess"}).status == 401


def test_a_plugin_that_is_missing_closes_its_routes_until_it_is_there(gateway: RunningGateway) -> None:
    (gateway.folder / "route.yaml").write_text(ingress("route", "/x", "one", "konghq.com/plugins: limit"))
    eventually(lambda: gateway.get("/x").status == 503)
    assert "plugin limit does not exist" in gateway.get("/x").body
    eventually(
        lambda: any('"limit" does not exist' in line and "error" in line for line in gateway.lines),
    )
    (gateway.folder / "limit.yaml").write_text(LIMIT % 9)
    eventually(lambda: gateway.get("/x").status == 200)


def test_a_plugin_that_is_missing_is_passed_over_where_that_is_wished(tmp_path: Path) -> None:
    with upstream("one") as one:
        route = ingress("route", "/x", "one", "konghq.com/plugins: ghost")
        (tmp_path / "route.yaml").write_text(service("one", one) + route)
        with running_gateway(tmp_path, "--missing-plugins", "open") as gateway:
            assert gateway.get("/x").body == "one"
            assert any("ghost" in line and "warning" in line for line in gateway.lines)


def test_without_endpoints_the_answer_is_kongs(gateway: RunningGateway) -> None:
    (gateway.folder / "route.yaml").write_text(ingress("route", "/x", "nobody"))
    eventually(lambda: gateway.get("/x").status == 503)
    assert "failure to get a peer from the ring-balancer" in gateway.get("/x").body


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with running_gateway(tmp_path) as gateway:
        (envoy,) = gateway.children()
        gateway.process.send_signal(number)
        assert gateway.wait_for_end() == 0
        assert not Path(f"/proc/{envoy}").exists()


def test_killed_it_leaves_no_envoy_behind(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        (envoy,) = gateway.children()
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.wait_for_end()
        eventually(lambda: is_gone(envoy))


def is_gone(pid: int) -> bool:
    """Ended, whether or not somebody has asked for its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_port_in_use_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = RunningGateway(tmp_path, port)
        assert gateway.wait_for_end() == 1
    (line,) = gateway.lines
    assert f"port {port} is in use" in line
    assert f"process {os.getpid()}" in line
    assert "--http-port" in line


def test_what_is_no_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, problem in (("nowhere", "does not exist"), ("file", "is not a directory")):
        gateway = RunningGateway(tmp_path / name, 1)
        assert gateway.wait_for_end() == 1
        assert gateway.lines == [
            f"crossfade gateway: error: {tmp_path}/{name} {problem}: give a directory of manifests"
        ]


@pytest.mark.parametrize(
    "options",
    [("--trusted-ips", "nonsense"), ("--headers", "nonsense"), ("--https-port", "1")],
    ids=lambda options: options[0],
)
def test_an_option_that_cannot_work_ends_it_at_once(tmp_path: Path, options: tuple[str, str]) -> None:
    gateway = RunningGateway(tmp_path, 1, *options)
    assert gateway.wait_for_end() == 1
    (line,) = gateway.lines
    assert line.startswith("crossfade gateway: error: ")
    assert options[0] in line


def test_an_address_can_be_trusted(tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_text(ingress("route", "/x", "nobody"))
    with running_gateway(tmp_path, "--trusted-ips", "127.0.0.1") as gateway:
        assert gateway.get("/x").status == 503


def test_tls_uses_the_certificate_of_the_ingress(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = create_authority("test", now=now)
    pair = issue_server_certificate(authority, ("shop.test",), now=now)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cert"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": pair.certificate_pem.decode(), "tls.key": pair.key_pem.decode()},
    }
    route = yaml.safe_load(ingress("route", "/", "one", "konghq.com/protocols: https").removesuffix("---\n"))
    route["spec"]["tls"] = [{"hosts": ["shop.test"], "secretName": "cert"}]
    (https_port,) = free_ports(1)
    with upstream("one") as one:
        (tmp_path / "all.yaml").write_text(service("one", one) + yaml.safe_dump_all([secret, route]))
        with running_gateway(tmp_path, "--https-port", str(https_port)) as gateway:
            trust = ssl.create_default_context(cadata=authority.certificate_pem.decode())
            assert https_body(https_port, "shop.test", trust) == "one"
            with pytest.raises(ssl.SSLCertVerificationError):
                https_body(https_port, "other.test", trust)
            assert gateway.get("/").status == 426
            # A client does not talk the gateway into believing that TLS ended in front of it.
            assert gateway.get("/", {"X-Forwarded-Proto": "https"}).status == 426


def https_body(port: int, name: str, trust: ssl.SSLContext) -> str:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname=name) as secure,
    ):
        secure.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: secure.recv(4096), b""))
    return answer.partition(b"\r\n\r\n")[2].decode()


def test_of_a_name_with_addresses_of_both_families_ipv4_is_taken(tmp_path: Path) -> None:
    """The resolver answers `localhost` with 127.0.0.1 and ::1; the backend listens on the first alone."""
    with upstream("one") as port:
        (tmp_path / "name.yaml").write_text(
            "apiVersion: v1\nkind: Service\nmetadata: {name: name}\n"
            "spec: {type: ExternalName, externalName: localhost}\n---\n"
            + ingress("x", "/x", "name", 'konghq.com/preserve-host: "false"').replace("number: 80", f"number: {port}")
        )
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/x").status != 503)
            assert gateway.get("/x").body == "one"


def test_secrets_with_line_breaks_in_their_base64_are_read(gateway: RunningGateway) -> None:
    data = "stringData: {kongCredType: key-auth, key: sesame}"
    (gateway.folder / "key.yaml").write_text(
        KEY.replace(data, 'data: {kongCredType: "a2V5LWF1\\ndGg=\\n", key: "c2Vz\\r\\nYW1l"}')
        + ingress("x", "/x", "one", "konghq.com/plugins: key")
    )
    eventually(lambda: gateway.get("/x", {"apikey": "sesame"}).status == 200, seen=gateway.lines)
    assert gateway.get("/x").status == 401


def test_what_has_no_effect_is_told_and_cured(tmp_path: Path) -> None:
    objects, slices = service("one", 1).split("---\n", 1)
    everywhere = (
        "apiVersion: configuration.konghq.com/v1\nkind: KongClusterPlugin\n"
        'metadata: {name: everywhere, labels: {global: "true"}}\nplugin: key-auth\n'
    )
    (tmp_path / "all.yaml").write_text(
        f"{objects}---\n{ingress('one', '/x', 'one', 'konghq.com/plugin: guard')}{everywhere}"
    )
    with running_gateway(tmp_path) as gateway:
        told = "\n".join(gateway.lines)
        assert "KongClusterPlugin everywhere, metadata: it names no ingress class" in told
        assert "did you mean konghq.com/plugins?" in told
        assert "Service default/one, spec.selector: port 80: it has no endpoints" in told
        (tmp_path / "slices.yaml").write_text(slices)
        cured = "Service default/one is in order again"
        eventually(lambda: any(cured in line for line in gateway.lines), seen=gateway.lines)
