"""A pod's name files."""

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.pod import UnsupportedError, check_supported
from crossfade_local.kubelet.pod_files import name_files, resolv_conf

CLUSTER = "search prod.svc.cluster.local svc.cluster.local cluster.local"


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ({}, ["nameserver 10.96.0.10", CLUSTER, "options ndots:5"]),
        (
            {"dnsConfig": {"searches": ["shop"], "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]}},
            ["nameserver 10.96.0.10", f"{CLUSTER} shop", "options ndots:2 rotate"],
        ),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}, ["nameserver 192.0.2.1"]),
    ],
)
def test_resolver_settings(spec: JsonObject, lines: list[str]) -> None:
    assert resolv_conf(spec, "prod").splitlines() == lines


def test_hosts_and_hostname() -> None:
    spec = {"subdomain": "band", "hostname": "drums", "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a", "b"]}]}
    files = name_files({"metadata": {"name": "x", "namespace": "prod"}, "spec": spec}, "10.244.0.16")
    assert files["hostname"] == "drums\n"
    assert files["hosts"].splitlines()[-2:] == [
        "10.244.0.16\tdrums.band.prod.svc.cluster.local\tdrums",
        "192.0.2.1\ta b",
    ]


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "hostIPC"])
def test_what_is_not_available_is_refused(field: str) -> None:
    check_supported({field: False})
    with pytest.raises(UnsupportedError, match=f"spec.{field} is not available"):
        check_supported({field: True})
