"""A TLS certificate that stands in vaults: in variables of the process and in a Secret of another namespace."""

import socket
import ssl
from pathlib import Path

import pytest
import yaml

from tests.support.certificates import KeyPair, self_signed
from tests.support.gateway import eventually, running_gateway
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

_CLASS = {"kubernetes.io/ingress.class": "kong"}


def vault(name: str, backend: str, **config: str) -> dict[str, object]:
    return {
        "apiVersion": "configuration.konghq.com/v1alpha1",
        "kind": "KongVault",
        "metadata": {"name": name, "annotations": _CLASS},
        "spec": {"backend": backend, "prefix": name, "config": config},
    }


def secret(name: str, namespace: str, **values: str) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def ingress(host: str) -> dict[str, object]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "site"},
        "spec": {"ingressClassName": "kong", "tls": [{"hosts": [host], "secretName": "site"}], "rules": []},
    }


def served(port: int, name: str) -> str:
    """The certificate that a client is shown, whoever signed it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)


def write(folder: Path, pair: KeyPair) -> None:
    documents = [
        vault("process", "env", prefix="SHOP_TEST_"),
        vault("safe", "kubernetes", namespace="safe"),
        secret("pair", "safe", certificate=pair.certificate),
        secret("site", "default", **{"tls.crt": "{vault://safe/pair/certificate}", "tls.key": "{vault://process/key}"}),
        ingress("shop.test"),
    ]
    draft = folder / ".all.yaml"
    draft.write_text(yaml.safe_dump_all(documents))
    draft.rename(folder / "all.yaml")


def test_a_certificate_follows_its_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = self_signed("shop.test")
    (https_port,) = free_ports(1)
    monkeypatch.setenv("SHOP_TEST_KEY", pair.key)
    write(tmp_path, KeyPair(pair.key, "not yet"))
    with running_gateway(tmp_path, "--https-port", str(https_port)) as gateway:
        assert served(https_port, "shop.test").split() != pair.certificate.split()
        write(tmp_path, pair)
        eventually(lambda: served(https_port, "shop.test").split() == pair.certificate.split(), seen=gateway.lines)
        assert not any("PRIVATE" in line or pair.key.split()[4] in line for line in gateway.lines)
