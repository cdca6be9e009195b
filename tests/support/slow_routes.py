"""Kong's choice of a route, slowly: read from the specification, one route after the other, nothing from the compiler.

Sources: kong.md §3.1 (what an Ingress makes), §3.2 (paths), §3.3 (matching and order), §2 (annotations); for what Kong
leaves open Kubernetes' "Ingress: multiple matches" (exact path type before prefix).
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]


class Asked(NamedTuple):
    path: str
    host: str = ""
    method: str = "GET"
    scheme: str = "http"
    sni: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class SlowRoute(NamedTuple):
    """One path of one rule. A `pattern` is a regex, else `path` is a prefix; `owner` names Ingress and Service.

    `path_type` is the Ingress's.
    """

    owner: tuple[str, str]
    created: str
    path: str
    pattern: str | None
    host: tuple[str, ...]
    methods: tuple[str, ...]
    snis: tuple[str, ...]
    headers: tuple[tuple[str, tuple[str, ...]], ...]
    priority: int
    path_type: str = ""
    is_default: bool = False

    def takes(self, asked: Asked) -> bool:
        """Every kind of condition that is there must hold. Protocols are none: they decide what is answered."""
        return (
            (not self.host or any(_host_fits(host, asked.host) for host in self.host))
            and (not self.methods or asked.method in self.methods)
            and all(_header_fits(name, values, asked) for name, values in self.headers)
            and self._sni_fits(asked)
            and self._path_fits(asked.path)
        )

    def _path_fits(self, path: str) -> bool:
        return path.startswith(self.path) if self.pattern is None else re.match(self.pattern, path) is not None

    def _sni_fits(self, asked: Asked) -> bool:
        return not self.snis or asked.scheme == "http" or asked.sni in self.snis

    def order(self) -> tuple[Any, ...]:
        """Smaller is better; the six differences of §3.3, behind the default backend, which comes last."""
        kinds = sum(bool(kind) for kind in (self.methods, self.host, self.headers, self.snis, self.path))
        is_plain_host = bool(self.host) and not any("*" in host for host in self.host)
        return (
            self.is_default,
            -kinds,
            not is_plain_host,
            -len(self.headers),
            self.pattern is None,
            0 if self.pattern is None else -self.priority,
            -len(self.path) if self.pattern is None else 0,
        )


def _host_fits(wanted: str, host: str) -> bool:
    """As sent, any number of labels for an asterisk."""
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and len(host) > len(wanted[1:])
    if wanted.endswith(".*"):
        return host.startswith(wanted[:-1]) and len(host) > len(wanted[:-1])
    return host == wanted


def _header_fits(name: str, values: tuple[str, ...], asked: Asked) -> bool:
    lines = [line for given, line in asked.headers if given == name.lower()]
    return any(_value_fits(value, line) for value in values for line in lines)


def _value_fits(value: str, line: str) -> bool:
    if value.startswith("~*"):
        return re.search(value[2:], line, re.IGNORECASE) is not None
    return value.lower() == line.lower()


def best_routes(routes: list[SlowRoute], asked: Asked) -> list[SlowRoute]:
    """All that the specification finds equally good; among those of one order Exact comes before Prefix, then the older
    Ingress, then the name, where their hosts and paths are the same too: for the rest the order is left open."""
    fitting = [route for route in routes if route.takes(asked)]
    if not fitting:
        return []
    order = min(route.order() for route in fitting)
    best = [route for route in fitting if route.order() == order]
    return [route for route in best if not any(_is_better_twin(other, route) for other in best)]


def _is_better_twin(other: SlowRoute, route: SlowRoute) -> bool:
    same = (other.host, other.path, other.pattern) == (route.host, route.path, route.pattern)
    if same and {other.path_type, route.path_type} == {"Exact", "Prefix"}:
        return other.path_type == "Exact"
    return same and (other.created, other.owner) < (route.created, route.owner)


def slow_routes(ingresses: list[Json]) -> list[SlowRoute]:
    found = [route for ingress in ingresses for route in _rule_routes(ingress)]
    backends = [ingress for ingress in ingresses if "defaultBackend" in ingress["spec"]]
    if backends:
        oldest = min(backends, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))
        service = oldest["spec"]["defaultBackend"]["service"]["name"]
        # It is no rule, so it has no host, and aliases of hosts are none of its business.
        found.append(_route(oldest, service, "/", None, "")._replace(is_default=True, host=()))
    return found


def _rule_routes(ingress: Json) -> Iterator[SlowRoute]:
    for rule in ingress["spec"].get("rules", []):
        for entry in rule["http"]["paths"]:
            for path, pattern in _paths(entry["path"], entry["pathType"]):
                found = _route(ingress, entry["backend"]["service"]["name"], path, pattern, rule.get("host", ""))
                yield found._replace(path_type=entry["pathType"])


def _paths(path: str, path_type: str) -> Iterator[tuple[str, str | None]]:
    """The table of §3.2."""
    if path_type == "Exact":
        yield path, f"{path}$"
    elif path_type == "Prefix":
        stem = path.rstrip("/")
        yield f"{stem}/", None
        if stem:
            yield stem, f"{stem}$"
    elif path.startswith("/~"):
        yield path, path[2:]
    else:
        yield path, None


def _route(ingress: Json, service: str, path: str, pattern: str | None, host: str) -> SlowRoute:
    notes = ingress["metadata"]["annotations"]

    def listed(name: str) -> tuple[str, ...]:
        return tuple(item for item in notes.get(f"konghq.com/{name}", "").split(",") if item)

    prefix = "konghq.com/headers."
    headers = {key.removeprefix(prefix): tuple(notes[key].split(",")) for key in notes if key.startswith(prefix)}
    return SlowRoute(
        owner=(ingress["metadata"]["name"], service),
        created=ingress["metadata"]["creationTimestamp"],
        path=path,
        pattern=pattern,
        host=tuple(name for name in (host, *listed("host-aliases")) if name),
        methods=listed("methods"),
        snis=listed("snis"),
        headers=tuple(sorted(headers.items())),
        priority=int(notes.get("konghq.com/regex-priority", "0")),
    )
