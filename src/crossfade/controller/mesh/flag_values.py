"""How the texts of flags are read. Each reader raises ValueError with a text that says what is allowed."""

import ipaddress
import re
from collections.abc import Callable
from typing import Final, TypeVar

from crossfade.envoy.telemetry import environment
from crossfade.inject.proxy_init import INBOUND_PORT, OUTBOUND_PORT
from crossfade.inject.resources import quantity
from crossfade.inject.tracing import HOST_IP
from crossfade.kong_conf.values import number
from crossfade.proxy.run import GATEWAY_ADMIN_PORT

T = TypeVar("T")

MOST_SECONDS: Final = 86_400
_PORTS: Final = range(1, 65_536)
_PORTS_IN_PODS: Final = (INBOUND_PORT, OUTBOUND_PORT, GATEWAY_ADMIN_PORT)
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
# What Helm makes of an account that stands in a values file as a number.
_SCIENTIFIC_ACCOUNT: Final = re.compile(r"(\d)\.(\d{11})e\+11", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,16}){1,4}", re.ASCII)
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_PATH: Final = re.compile(r"/[A-Za-z0-9._/@%+=-]{1,255}", re.ASCII)


def switch(text: str) -> bool:
    """As Go's flags."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError("it must be true or false")


def one_of(**meanings: T) -> Callable[[str], T]:
    def read(text: str) -> T:
        if text not in meanings:
            raise ValueError(f"it must be one of {', '.join(meanings)}")
        return meanings[text]

    return read


def own_port(taken: tuple[int, ...]) -> Callable[[str], int]:
    """`taken` are other ports of the controller."""
    return _port(taken, "the controller itself")


def port_in_pods(text: str) -> int:
    return _port(_PORTS_IN_PODS, "the proxies themselves")(text)


def _port(taken: tuple[int, ...], by: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        found = number(_PORTS.start, _PORTS.stop - 1)(text)
        if found in taken:
            raise ValueError(f"{found} is taken by {by}: choose another port")
        return found

    return read


def account(text: str) -> str:
    if match := _SCIENTIFIC_ACCOUNT.fullmatch(text):
        return match[1] + match[2]
    if not _ACCOUNT.fullmatch(text):
        raise ValueError("it must be twelve digits; quote it in a values file")
    return text


def region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("it must be a region like us-west-2")
    return text


def image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise ValueError("it must be an image like registry.example.com/crossfade/proxy, of letters, digits and ._:/@-")
    return text


def tag(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise ValueError("it must be an image's tag, of up to 128 letters, digits and ._-")
    return text


def path(text: str) -> str:
    if not _PATH.fullmatch(text) or ".." in text.split("/"):
        raise ValueError("it must be an absolute path without .., of letters, digits and ._/@%+=-")
    return text


def resource(text: str) -> str:
    """As it is written: who reads it are Kubernetes' own parts."""
    quantity(text)
    return text


def networks(text: str) -> str:
    """As they are written."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    for item in items:
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError:
            raise ValueError("it must be addresses or networks like 169.254.169.254,10.0.0.0/8") from None
    return ",".join(items)


def tracer_host(text: str) -> str:
    return text if text == HOST_IP else _alone(environment.tracer_host, text)


def share(text: str) -> float:
    return _alone(environment.share, text)


def _alone(read: Callable[[str, str], T], text: str) -> T:
    """What is wrong with it, without the name that the reader puts before it."""
    try:
        return read("", text)
    except ValueError as problem:
        raise ValueError(str(problem).rpartition(": ")[2]) from None
