"""Traefik: keys by a router's rule, since it has no such middleware; limits by its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.compare.contestants import Contestant, World, on_ports, program, until_answered
from benchmarks.compare.scenarios import GATEWAYS, KEY
from tests.support.ports import free_ports

Json = dict[str, Any]
_ASKED: Final = f" && Header(`apikey`, `{KEY}`)"
_BY_KEY: Final = {"requestHeaderName": "apikey"}
_PLENTY: Final = {"average": 1_000_000, "burst": 1_000_000}
_RULES: Final = {"plain": "", "key": _ASKED, "limit": "", "both": _ASKED, "spent": _ASKED}
_LIMITS: Final[dict[str, Json]] = {
    "limit": {**_PLENTY, "sourceCriterion": {"ipStrategy": {"depth": 0}}},
    "both": {**_PLENTY, "sourceCriterion": _BY_KEY},
    "spent": {"average": 1, "period": "1h", "burst": 1, "sourceCriterion": _BY_KEY},
}


@contextmanager
def traefik(world: World) -> Iterator[Contestant]:
    folder = world.folder / "traefik"
    folder.mkdir()
    plain, secure = free_ports(2)
    static: Json = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR"},
        "entryPoints": {
            "plain": {"address": f"127.0.0.1:{plain}"},
            "secure": {"address": f"127.0.0.1:{secure}", "http": {"tls": {}}},
        },
        "providers": {"file": {"filename": str(folder / "routes.yaml"), "watch": False}},
    }
    # JSON is YAML.
    (folder / "traefik.yaml").write_text(json.dumps(static))
    (folder / "routes.yaml").write_text(json.dumps(_routes(world)))
    with program(folder, ["traefik", "--configfile=traefik.yaml"], {"GOMAXPROCS": "1"}) as pid:
        until_answered(plain)
        yield Contestant((pid,), on_ports(GATEWAYS, plain, secure))


def _routes(world: World) -> Json:
    def router(name: str, rule: str) -> Json:
        limited = [f"limit-{name}"] if name in _LIMITS else []
        return {
            "rule": f"PathPrefix(`/{name}/`){rule}",
            "service": "up",
            "middlewares": [*limited, f"strip-{name}"],
        }

    certificate = world.certificate
    return {
        "http": {
            "routers": {name: router(name, rule) for name, rule in _RULES.items()},
            "middlewares": {
                **{f"strip-{name}": {"stripPrefix": {"prefixes": [f"/{name}"]}} for name in _RULES},
                **{f"limit-{name}": {"rateLimit": limit} for name, limit in _LIMITS.items()},
            },
            "services": {"up": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{world.upstream}"}]}}},
        },
        "tls": {
            "certificates": [{"certFile": str(certificate.certificate), "keyFile": str(certificate.key)}],
        },
    }
