import pytest

from crossfade_kube.core import EndpointSlice, Ingress, Lease, Pod, Secret, Service
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import DecodeError, decode, decode_known, kinds_by_gvk, typed_ref


def test_service_keeps_numbers_and_names_of_ports_apart() -> None:
    service = decode(
        {
            "metadata": {"name": "jazz", "namespace": "prod"},
            "spec": {
                "clusterIP": "10.96.0.5",
                "clusterIPs": ["10.96.0.5"],
                "selector": {"app": "jazz"},
                "ports": [{"port": 80, "targetPort": "web"}, {"port": 81, "targetPort": 9080, "name": "adm"}],
            },
            "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}},
        },
        Service,
    )
    assert [port.target_port for port in service.spec.ports] == ["web", 9080]
    assert (service.spec.cluster_ip, service.spec.cluster_ips) == ("10.96.0.5", ("10.96.0.5",))
    assert service.status.load_balancer.ingress[0].hostname == "lb.example.com"


def test_secrets_may_have_line_breaks_in_their_base64() -> None:
    data = {"key": "c2Vj\r\ncmV0\nCg==\n", "none": None}
    assert decode({"metadata": {"name": "s"}, "data": data}, Secret).data == {"key": b"secret\n"}
    with pytest.raises(DecodeError, match="data"):
        decode({"metadata": {"name": "s"}, "data": {"key": "c2Vj cmV0"}}, Secret)


def test_secret_values_are_raw_and_never_shown() -> None:
    secret = decode({"metadata": {"name": "s", "namespace": "n"}, "data": {"key": "c2VjcmV0Cg=="}}, Secret)
    assert secret.data == {"key": b"secret\n"}
    assert "secret\\n" not in f"{secret!r} {secret} {[secret]}"
    assert "key=***" in repr(secret)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, (True, True, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
        ({"ready": False}, (False, False, False)),
    ],
)
def test_endpoint_conditions(conditions: dict[str, bool], expected: tuple[bool, bool, bool]) -> None:
    raw = {"metadata": {}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}]}
    endpoint = decode(raw, EndpointSlice).endpoints[0]
    assert (endpoint.is_ready, endpoint.is_serving, endpoint.is_terminating) == expected


def test_a_pod_is_its_addresses_phase_and_conditions() -> None:
    pod = decode(
        {
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {"containers": [{"name": "c"}]},
            "status": {"podIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None}]},
        },
        Pod,
    )
    assert [(one.type, one.status) for one in pod.status.conditions] == [("Ready", "True")]
    assert pod.status.pod_ip == "10.0.0.7"
    assert not pod.is_finished


def test_kinds_are_found_by_version_and_kind() -> None:
    kinds = kinds_by_gvk([Ingress, Lease, Pod])
    raw = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "n"}}
    found = decode_known(raw, kinds)
    assert isinstance(found, Ingress)
    assert typed_ref(found) == ObjectRef("networking.k8s.io/v1", "Ingress", "n", "i")
    assert decode_known({**raw, "apiVersion": "networking.k8s.io/v9"}, kinds) is None


def test_errors_name_object_and_field() -> None:
    raw = {"metadata": {"name": "i", "namespace": "n"}, "spec": {"rules": [{"http": {"paths": [{"path": 5}]}}]}}
    with pytest.raises(DecodeError) as error:
        decode(raw, Ingress)
    assert error.value.field == "spec.rules[0].http.paths[0].path"
    assert str(error.value).startswith("Ingress n/i, spec.rules[0].http.paths[0].path: ")
