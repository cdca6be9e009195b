"""Traffic capture rules (appmesh.md §4.6), and that iptables takes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from crossfade.images import proxy_init
from crossfade.images.proxy_init import rules, settings_from

INJECTED = {
    "APPMESH_START_ENABLED": "1",
    "APPMESH_IGNORE_UID": "1337",
    "APPMESH_ENVOY_INGRESS_PORT": "15000",
    "APPMESH_ENVOY_EGRESS_PORT": "15001",
    "APPMESH_APP_PORTS": "9080,9090",
    "APPMESH_EGRESS_IGNORED_IP": "169.254.169.254,fd00:ec2::254",
    "APPMESH_EGRESS_IGNORED_PORTS": "22",
    "APPMESH_ENABLE_IPV6": "1",
}
OUTPUT = "-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS"
PREROUTING = "-A PREROUTING -p tcp -m addrtype ! --src-type LOCAL -j APPMESH_INGRESS"


def rules_of(version: int = 4, **changes: str) -> list[str]:
    settings = settings_from({**INJECTED, **changes})
    assert settings
    return [line for line in rules(settings, version=version).splitlines() if line.startswith("-A")]


def test_all_rules_in_order() -> None:
    assert rules_of() == [
        "-A APPMESH_EGRESS -m owner --uid-owner 1337 -j RETURN",
        "-A APPMESH_EGRESS -p tcp -m multiport --dports 22 -j RETURN",
        "-A APPMESH_EGRESS -d 169.254.169.254 -p tcp -j RETURN",
        "-A APPMESH_EGRESS -p tcp -j REDIRECT --to-ports 15001",
        "-A APPMESH_INGRESS -p tcp -m multiport --dports 9080,9090 -j REDIRECT --to-ports 15000",
        OUTPUT,
        PREROUTING,
    ]


def test_version_6_has_its_own_addresses() -> None:
    assert "-A APPMESH_EGRESS -d fd00:ec2::254 -p tcp -j RETURN" in rules_of(6)
    assert not any("169.254" in rule for rule in rules_of(6))


def test_without_app_ports_nothing_inbound_is_captured() -> None:
    assert PREROUTING not in rules_of(APPMESH_APP_PORTS="")


def test_group_and_further_ports() -> None:
    found = rules_of(APPMESH_IGNORE_GID="5", APPMESH_EGRESS_IGNORED_PORTS="3306")
    assert found[1] == "-A APPMESH_EGRESS -m owner --gid-owner 5 -j RETURN"
    assert found[2] == "-A APPMESH_EGRESS -p tcp -m multiport --dports 3306,22 -j RETURN"


def test_many_ports_take_several_rules() -> None:
    ports = ",".join(str(port) for port in range(8000, 8020))
    inbound = [rule for rule in rules_of(APPMESH_APP_PORTS=ports) if "REDIRECT --to-ports 15000" in rule]
    assert [rule.count(",") + 1 for rule in inbound] == [15, 5]


def test_a_range_takes_the_room_of_two_ports() -> None:
    ports = ",".join(f"{first}:{first + 9}" for first in range(8000, 8080, 10))
    inbound = [rule for rule in rules_of(APPMESH_APP_PORTS=ports) if "REDIRECT --to-ports 15000" in rule]
    assert [rule.count(":") for rule in inbound] == [7, 1]


def test_mark_stands_for_the_uid() -> None:
    found = rules_of(CROSSFADE_PROXY_MARK="1337")
    assert found[0] == "-A APPMESH_EGRESS -m mark --mark 1337 -j RETURN"
    assert not any("owner" in rule for rule in found)


def test_switched_off() -> None:
    assert settings_from({**INJECTED, "APPMESH_START_ENABLED": "0"}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APPMESH_ENVOY_INGRESS_PORT", ""),
        ("APPMESH_ENVOY_EGRESS_PORT", "x"),
        ("APPMESH_APP_PORTS", "80,99999"),
        ("APPMESH_ENVOY_INGRESS_PORT", "15000:15001"),
        ("APPMESH_EGRESS_IGNORED_PORTS", "9019:9000"),
        ("APPMESH_EGRESS_IGNORED_PORTS", "9000-9019"),
        ("APPMESH_EGRESS_IGNORED_IP", "300.1.1.1"),
        ("APPMESH_IGNORE_UID", "root"),
    ],
)
def test_wrong_values_are_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings_from({**INJECTED, name: value})


def test_running_twice_gives_the_same_rules() -> None:
    """In a network namespace of its own; the last word is that of iptables itself."""
    script = f"{sys.executable} -I -S {Path(proxy_init.__file__)}"
    shell = f"{script} && {script} && iptables -t nat -S"
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", shell]
    # The owner match needs a uid that the namespace has; only root's is mapped here.
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **INJECTED, "APPMESH_IGNORE_UID": "0"}
    env["APPMESH_EGRESS_IGNORED_PORTS"] = "22,9000:9019"
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    appended = [line for line in done.stdout.splitlines() if line.startswith("-A")]
    assert len(appended) == len(set(appended)) == 7
    assert "-A APPMESH_EGRESS -m owner --uid-owner 0 -j RETURN" in appended
    assert "-A APPMESH_EGRESS -p tcp -m multiport --dports 22,9000:9019 -j RETURN" in appended
