"""What the parts of a node are told, and that all of them are told the same."""

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.kubernetes import parts, plan
from tests.kubernetes.configuration import dns_objects, files_of
from tests.kubernetes.pki import write_pki
from tests.kubernetes.plan import Layout, Node
from tests.kubernetes.releases import release_of

NODES = (Node(1), Node(2))


def layout(folder: Path, release: str = "v1.34.4") -> Layout:
    return Layout(folder, Path("/programs"), release_of(release), NODES)


def read(name: str, node: Node, release: str = "v1.34.4") -> dict[str, Any]:
    read: dict[str, Any] = json.loads(files_of(layout(Path("/c"), release), node, registry="http://r")[name])
    return read


def test_networks_do_not_overlap() -> None:
    networks = [ipaddress.ip_network(each) for each in (plan.SERVICES, plan.BALANCED, plan.PODS, "10.99.0.0/24")]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)
    assert all(ipaddress.ip_network(node.pods).subnet_of(ipaddress.ip_network(plan.PODS)) for node in NODES)  # type: ignore[arg-type]
    assert ipaddress.ip_address(plan.balanced_address(7)) in ipaddress.ip_network(plan.BALANCED)


def test_nodes_differ_in_what_is_theirs_alone() -> None:
    one, other = (files_of(layout(Path("/c")), node, registry="http://r") for node in NODES)
    assert one.keys() == other.keys()
    shared = {"registries/_default/hosts.toml"}
    assert {name for name in one if one[name] == other[name]} == shared


@pytest.mark.parametrize(("release", "says"), [("v1.30.14", False), ("v1.31.14", True), ("v1.35.4", True)])
def test_kubelets_that_could_refuse_old_cgroups_are_told_not_to(release: str, says: bool) -> None:
    assert ("failCgroupV1" in read("kubelet.yaml", NODES[0], release)) is says


def test_pods_ask_the_address_of_the_name_server_s_service() -> None:
    (service,) = [each for each in dns_objects() if each["kind"] == "Service"]
    assert read("kubelet.yaml", NODES[0])["clusterDNS"] == [service["spec"]["clusterIP"]]


def test_every_file_and_user_that_a_part_names_is_written(tmp_path: Path) -> None:
    made = layout(tmp_path)
    write_pki(made)
    for node in NODES:
        for name, content in files_of(made, node, registry="http://r").items():
            path = made.of(node) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    commands = [parts.api_server(made), *(parts.part(name, made, NODES[0]) for name in parts.CONTROL_PLANE)]
    commands += [parts.part(name, made, node) for name in parts.EVERYWHERE for node in NODES]
    told = {option.partition("=")[2] for command in commands for option in command[1:]}
    named = {Path(value) for value in told if value.startswith(str(tmp_path))}
    made_by_themselves = {made.of(node) / name for node in NODES for name in ("kubelet", "kubelet-pki")}
    assert named - made_by_themselves
    assert [path for path in named - made_by_themselves if not path.exists()] == []


def test_each_kubelet_has_a_certificate_for_its_address_and_its_name_among_nodes(tmp_path: Path) -> None:
    write_pki(layout(tmp_path))
    certificate = x509.load_pem_x509_certificate((tmp_path / "pki" / "node2.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(NODES[1].address)]
    assert certificate.subject.rfc4514_string() == "CN=system:node:node2,O=system:nodes"
