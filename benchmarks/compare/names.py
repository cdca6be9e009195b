"""What contestants are called where people read of them."""

from typing import Final

GATEWAYS: Final = {
    "crossfade": "Crossfade",
    "floor": "Envoy, Kong's headers",
    "native": "Envoy with its filters",
    "bare": "Envoy, bare",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "traefik": "Traefik",
}
HOP: Final = {
    "sidecars": "Sidecars",
    "sidecars-http2": "Sidecars, HTTP/2",
    "bare": "Two bare Envoys",
}
PATH: Final = {
    "sidecar": "Gateway with sidecar",
    "merged": "Gateway without",
    "merged-http2": "Without, HTTP/2",
    "bare": "Three bare Envoys",
}
OF_SCENARIO: Final = {"hop": HOP, "path": PATH}


def of(scenario: str) -> dict[str, str]:
    return OF_SCENARIO.get(scenario, GATEWAYS)


def is_ours(contestant: str) -> bool:
    return contestant not in ("floor", "native", "bare", "nginx", "haproxy", "traefik")
