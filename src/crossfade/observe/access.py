"""By what whoever watches proves that they may: a token of a service account, good for nothing else.

Whoever asks makes it at the API server, with whatever their kubeconfig has to prove who they are. So no password, no
certificate and no token that the API server takes is ever shown to a control plane.
"""

from collections.abc import Awaitable, Callable
from typing import Final

AUDIENCE: Final = "crossfade-tap"
ACCOUNT: Final = "crossfade-tap"
"""The service account of a namespace whose tokens show that namespace's requests."""
HEADER: Final = "X-Crossfade-Token"
"""The API server takes `Authorization` out of what it passes on to a pod."""
CLUSTER_PORT: Final = 18002
"""Of a control plane's pod, unless `CROSSFADE_RECORDS_PORT` says another."""
USUAL_NAMESPACES: Final = ("kong", "appmesh-system")
"""Of control planes."""
VERB: Final = "get"
RESOURCE: Final = "pods"
SUBRESOURCE: Final = "tap"

Admit = Callable[[str, str], Awaitable[str]]
"""Takes a token and a namespace, which is empty for all of them; gives the name of who asks. Raises NotAdmitted."""


class NotAdmitted(Exception):  # noqa: N818 - says what is missing, to people
    """`status` is HTTP's, never 401: on its way through the API server that would mean the API server's own; the text
    says which right is missing.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
