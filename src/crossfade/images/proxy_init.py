"""Sends a pod's TCP traffic through its sidecar: App Mesh's chains (appmesh.md §4.6), from APPMESH_* variables.

Runs as a script without site packages. Each address family's rules go in with one transaction; running it again gives
the same rules.
"""

import ipaddress
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

# One multiport match holds 15 ports, of which a range takes two.
_MULTIPORT_LIMIT: Final = 15
_ALWAYS_IGNORED_PORT: Final = "22"


class Settings(NamedTuple):
    ingress_port: str
    egress_port: str
    app_ports: tuple[str, ...] = ()
    ignored_uid: str = ""
    ignored_gid: str = ""
    ignored_ports: tuple[str, ...] = ()
    ignored_addresses: tuple[str, ...] = ()
    ipv6: bool = False
    socket_mark: str = ""
    """Where all containers share one user, the proxy is known by the mark on its sockets instead."""


def settings_from(env: Mapping[str, str]) -> Settings | None:
    """None when capture is switched off. Raises ValueError naming the variable that is wrong."""
    if env.get("APPMESH_START_ENABLED", "0") != "1":
        return None
    return Settings(
        ingress_port=_port(env, "APPMESH_ENVOY_INGRESS_PORT"),
        egress_port=_port(env, "APPMESH_ENVOY_EGRESS_PORT"),
        app_ports=_ports(env, "APPMESH_APP_PORTS"),
        ignored_uid=_number(env, "APPMESH_IGNORE_UID"),
        ignored_gid=_number(env, "APPMESH_IGNORE_GID"),
        ignored_ports=_ports(env, "APPMESH_EGRESS_IGNORED_PORTS"),
        ignored_addresses=_addresses(env, "APPMESH_EGRESS_IGNORED_IP"),
        ipv6=env.get("APPMESH_ENABLE_IPV6", "0") == "1",
        socket_mark=_number(env, "CROSSFADE_PROXY_MARK"),
    )


def rules(settings: Settings, *, version: int) -> str:
    """Input of iptables-restore (`version` 4) or ip6tables-restore (6), `--noflush`."""
    lines = ["*nat", ":APPMESH_EGRESS - [0:0]", ":APPMESH_INGRESS - [0:0]"]
    lines += _egress(settings, version)
    if settings.app_ports:
        redirect = f"-j REDIRECT --to-ports {settings.ingress_port}"
        lines += [
            f"-A APPMESH_INGRESS -p tcp -m multiport --dports {ports} {redirect}"
            for ports in _groups(settings.app_ports)
        ]
    return "\n".join([*lines, *_jumps(settings), "COMMIT", ""])


def _egress(settings: Settings, version: int) -> Iterator[str]:
    chain = "-A APPMESH_EGRESS"
    if settings.socket_mark:
        yield f"{chain} -m mark --mark {settings.socket_mark} -j RETURN"
    elif settings.ignored_uid:
        yield f"{chain} -m owner --uid-owner {settings.ignored_uid} -j RETURN"
    if settings.ignored_gid and not settings.socket_mark:
        yield f"{chain} -m owner --gid-owner {settings.ignored_gid} -j RETURN"
    for ports in _groups(tuple(dict.fromkeys((*settings.ignored_ports, _ALWAYS_IGNORED_PORT)))):
        yield f"{chain} -p tcp -m multiport --dports {ports} -j RETURN"
    for address in settings.ignored_addresses:
        if ipaddress.ip_network(address, strict=False).version == version:
            yield f"{chain} -d {address} -p tcp -j RETURN"
    yield f"{chain} -p tcp -j REDIRECT --to-ports {settings.egress_port}"


def _jumps(settings: Settings) -> Iterator[str]:
    yield "-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS"
    if settings.app_ports:
        yield "-A PREROUTING -p tcp -m addrtype ! --src-type LOCAL -j APPMESH_INGRESS"


def _groups(ports: tuple[str, ...]) -> Iterator[str]:
    group: list[str] = []
    room = _MULTIPORT_LIMIT
    for port in ports:
        size = len(port.split(":"))
        if size > room:
            yield ",".join(group)
            group, room = [], _MULTIPORT_LIMIT
        group.append(port)
        room -= size
    if group:
        yield ",".join(group)


def _items(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in env.get(name, "").split(",") if item.strip())


def _port(env: Mapping[str, str], name: str) -> str:
    ports = _ports(env, name)
    if not ports:
        raise ValueError(f"{name} is not set")
    if len(ports) > 1 or ":" in ports[0]:
        raise ValueError(f"{name}: {env[name]!r} is not a port")
    return ports[0]


def _ports(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Ports and ranges `first:last`."""
    ports = _items(env, name)
    for port in ports:
        ends = port.split(":")
        numbers = [int(end) for end in ends if end.isascii() and end.isdecimal()]
        if len(numbers) != len(ends) or len(ends) > 2 or not 0 < numbers[0] <= numbers[-1] < 65_536:
            raise ValueError(f"{name}: {port!r} is not a port or a range of ports")
    return ports


def _number(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if value and not value.isdigit():
        raise ValueError(f"{name}: {value!r} is not a number")
    return value


def _addresses(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        return tuple(item for item in _items(env, name) if ipaddress.ip_network(item, strict=False))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def install(settings: Settings) -> str:
    """Returns what went wrong, or nothing. IPv6 is left out where the machine has no ip6tables or no IPv6 NAT."""
    _reset("iptables", settings)
    problem = _restore("iptables-restore", rules(settings, version=4))
    if problem or not settings.ipv6 or not shutil.which("ip6tables-restore"):
        return problem
    _reset("ip6tables", settings)
    if ignored := _restore("ip6tables-restore", rules(settings, version=6)):
        print(f"proxy-init: IPv6 traffic is not captured: {ignored}", file=sys.stderr)  # noqa: T201
    return ""


def _reset(program: str, settings: Settings) -> None:
    """Takes earlier jumps away; `--noflush` itself empties the two chains."""
    for jump in _jumps(settings):
        while (
            subprocess.run([program, "-t", "nat", "-D", *jump.split()[1:]], capture_output=True, check=False).returncode
            == 0
        ):
            pass


def _restore(program: str, text: str) -> str:
    try:
        done = subprocess.run([program, "--noflush"], input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{program} is not installed (Debian package iptables)"
    return done.stderr.strip() or f"{program} failed" if done.returncode else ""


def main() -> int:
    # The first process of a container is sent nothing for which it has no handler.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    try:
        settings = settings_from(os.environ)
    except ValueError as error:
        print(f"proxy-init: {error}", file=sys.stderr)  # noqa: T201
        return 2
    problem = install(settings) if settings else ""
    if problem:
        print(f"proxy-init: {problem}", file=sys.stderr)  # noqa: T201
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
