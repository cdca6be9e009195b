"""What a gateway's release and its parts are called, and where they listen, unless its values say otherwise."""

from typing import Final

CONTROLLER_NAME: Final = "ingress-controllers.konghq.com/kong"
ELECTION: Final = "kong-ingress-controller-leader"
ELECTION_ID: Final = f"{ELECTION}-kong"
HEALTH_PORT: Final = 10254
METRICS_PORT: Final = 10255
# With what the names of the Secrets begin that hold certificates of the plugin acme.
ACME_SECRETS: Final = "kong-kong-acme"
