"""Certificates of a real authority, from manifests to what Envoy shows: Pebble asks the gateway for its challenges."""

import http.client
import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from crossfade.compile.gateway.acme import CHALLENGES
from crossfade.compile.policies import registry
from tests.support.gateway import RunningGateway, eventually, ingress, service, upstream
from tests.support.pebble import BLOCKED, Pebble, programs, running_pebble
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(300)]

README = Path(registry.__file__).parent / "acme" / "README.md"
ISSUED_WITHIN_S = 60.0


class Running(NamedTuple):
    gateway: RunningGateway
    pebble: Pebble
    https_port: int
    folder: Path

    def shown(self, name: str) -> bytes:
        """The certificate for a server name, as DER."""
        with self.connected(name) as connection:
            found: bytes | None = connection.sock.getpeercert(binary_form=True)
        assert found is not None
        return found

    @contextmanager
    def connected(self, name: str) -> Iterator[http.client.HTTPSConnection]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.https_port, timeout=10)
        plain = socket.create_connection(("127.0.0.1", self.https_port), 10)
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        try:
            yield connection
        finally:
            connection.close()

    def asked(self, connection: http.client.HTTPSConnection) -> str:
        """Fails the test where the connection was closed, or is about to be."""
        connection.auto_open = 0
        connection.request("GET", "/", headers={"Host": "shop.test"})
        response = connection.getresponse()
        assert response.headers.get("Connection") != "close"
        return response.read().decode()

    def is_certified(self, name: str) -> bool:
        certificate = x509.load_der_x509_certificate(self.shown(name))
        return "Pebble" in certificate.issuer.rfc4514_string() and name in names_of(certificate)

    def wait_for(self, name: str) -> None:
        eventually(lambda: self.is_certified(name), within_s=ISSUED_WITHIN_S, seen=self.gateway.lines)

    def wait_for_line(self, pattern: str) -> None:
        eventually(
            lambda: any(re.search(pattern, line) for line in self.gateway.lines),
            within_s=ISSUED_WITHIN_S,
            seen=self.gateway.lines,
        )


def names_of(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


def plugin(url: str, domains: str, more: str = "") -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: acme, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: acme
config:
  account_email: ops@example.com
  api_uri: {url}
  tos_accepted: true
  cert_type: ecc
  domains: {domains}
  {more}
---
"""


def host_ingress(name: str, host: str, annotations: str = "") -> str:
    text = ingress(name, "/", "web", annotations)
    return text.replace("  - http:", f"  - host: {host}\n    http:")


@contextmanager
def running(tmp_path: Path, manifests: str, pebble: Pebble, http_port: int, *options: str) -> Iterator[Running]:
    (https_port,) = free_ports(1)
    folder = tmp_path / "manifests"
    folder.mkdir(exist_ok=True)
    (folder / "all.yaml").write_text(manifests)
    given = ("--https-port", str(https_port), "--acme-folder", str(tmp_path / "kept"), *options)
    gateway = RunningGateway(folder, http_port, *given, settings={"SSL_CERT_FILE": str(pebble.authorities)})
    try:
        gateway.wait_until_ready()
        yield Running(gateway, pebble, https_port, tmp_path)
    finally:
        if gateway.process.poll() is None:
            gateway.process.terminate()
        gateway.wait_for_end()


@pytest.fixture(autouse=True)
def pebble_is_built() -> None:
    programs()


def test_the_hosts_of_routes_get_certificates_and_keep_them(tmp_path: Path) -> None:
    (http_port,) = free_ports(1)
    with running_pebble(tmp_path / "pebble", http_port) as pebble, upstream("web") as port:
        manifests = (
            service("web", port)
            + plugin(pebble.url, "[shop.test, '*.apps.test', elsewhere.test]")
            + host_ingress("shop", "shop.test", "konghq.com/protocols: https")
            + host_ingress("one", "one.apps.test")
            + host_ingress("other", "other.test")
        )
        with running(tmp_path, manifests, pebble, http_port) as up:
            up.wait_for("shop.test")
            up.wait_for("one.apps.test")
            for name in ("other.test", "elsewhere.test"):
                assert not up.is_certified(name)
            before = up.shown("shop.test")
            kept = sorted((tmp_path / "kept").iterdir())
            assert [path.name.partition(".")[0] for path in kept] == ["account", "certificate", "certificate"]
            assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
        pebble.stop()
        with running(tmp_path, manifests, pebble, http_port) as up:
            assert up.shown("shop.test") == before
            assert not any("acme" in line for line in up.gateway.lines), up.gateway.lines


def test_a_renewal_ends_no_connection(tmp_path: Path) -> None:
    (http_port,) = free_ports(1)
    # Renewed after half of 8 seconds, whatever threshold is beyond that.
    options = {"profiles": {"default": {"description": "short", "validityPeriod": 8}}}
    with running_pebble(tmp_path / "pebble", http_port, options) as pebble, upstream("web") as port:
        manifests = service("web", port) + plugin(pebble.url, "[shop.test]") + host_ingress("shop", "shop.test")
        with running(tmp_path, manifests, pebble, http_port) as up:
            up.wait_for("shop.test")
            with up.connected("shop.test") as kept:
                before = kept.sock.getpeercert(binary_form=True)
                assert up.asked(kept) == "web"
                eventually(
                    lambda: up.is_certified("shop.test") and up.shown("shop.test") != before,
                    within_s=ISSUED_WITHIN_S,
                    seen=up.gateway.lines,
                )
                up.wait_for_line("the certificate for shop.test was renewed")
                for _ in range(20):
                    assert up.asked(kept) == "web"
                assert kept.sock.getpeercert(binary_form=True) == before


def test_what_the_plugin_answers_itself(tmp_path: Path) -> None:
    with running_pebble(tmp_path / "pebble", 1) as pebble, upstream("web") as port:
        (http_port,) = free_ports(1)
        manifests = (
            service("web", port)
            + plugin(pebble.url, f"[shop.test, {BLOCKED}]")
            + host_ingress("shop", "shop.test")
            + host_ingress("blocked", BLOCKED)
            + host_ingress("other", "other.test")
        )
        # Pebble asks a port where nobody listens.
        with running(tmp_path, manifests, pebble, http_port) as up:
            sanity = up.gateway.get(f"{CHALLENGES}x", {"Host": "shop.test"})
            assert (sanity.status, sanity.body) == (404, "Not found\n")
            unknown = up.gateway.get(f"{CHALLENGES}y", {"Host": "shop.test"})
            assert (unknown.status, json.loads(unknown.body)["message"]) == (404, "Not found")
            assert up.gateway.get(f"{CHALLENGES}y", {"Host": "other.test"}).body == "web"
            with up.connected("shop.test") as tls:
                tls.request("GET", f"{CHALLENGES}y", headers={"Host": "shop.test"})
                assert tls.getresponse().read() == b"web"
            up.wait_for_line(f"KongClusterPlugin acme: no certificate for {BLOCKED} from .*rejectedIdentifier: ")
            up.wait_for_line("no certificate for shop.test from .*connection: .*; next try at 20")
        with running(tmp_path, manifests, pebble, http_port) as up:
            # Nobody is asked again before the time.
            assert up.gateway.get("/", {"Host": "shop.test"}).body == "web"
            assert not any("next try" in line for line in up.gateway.lines)


def test_files_that_are_none_of_its_own(tmp_path: Path) -> None:
    (http_port,) = free_ports(1)
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    for name, content, mode in (("shop.test", "moon", 0o600), ("open.test", "{}", 0o644)):
        (kept / f"certificate.{name}").write_text(content)
        (kept / f"certificate.{name}").chmod(mode)
    with running_pebble(tmp_path / "pebble", http_port) as pebble, upstream("web") as port:
        manifests = (
            service("web", port)
            + plugin(pebble.url, "[shop.test, open.test]")
            + host_ingress("shop", "shop.test")
            + host_ingress("open", "open.test")
        )
        with running(tmp_path, manifests, pebble, http_port) as up:
            for name in ("shop.test", "open.test"):
                up.wait_for(name)
            up.wait_for_line("kept for shop.test is replaced: it was not written by the gateway")
            up.wait_for_line(r"certificate\.open\.test is passed over: others may read or write it")
            assert (kept / "certificate.open.test").stat().st_mode & 0o777 == 0o600


def test_the_example_of_the_plugins_page(tmp_path: Path) -> None:
    """With the authority of the test in place of Let's Encrypt."""
    (http_port,) = free_ports(1)
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    with running_pebble(tmp_path / "pebble", http_port) as pebble, upstream("web") as port:
        manifests = service("web", port) + f"{example}  api_uri: {pebble.url}\n  rsa_key_size: 2048\n---\n"
        for name in ("shop", "new.apps"):
            manifests += host_ingress(name.replace(".", "-"), f"{name}.example.com")
        with running(tmp_path, manifests, pebble, http_port) as up:
            for name in ("shop", "new.apps"):
                up.wait_for(f"{name}.example.com")
