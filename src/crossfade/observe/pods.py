"""Pages of pods, through the API server: whoever may do so there needs no way to the pods' own network."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from crossfade.observe.scrape import MOST_BYTES, ProxyFailed
from crossfade.observe.targets import Target, targets_of
from crossfade_kube.client import Client
from crossfade_kube.core import Pod
from crossfade_kube.errors import ApiError, Forbidden, KubeError, NotFound
from crossfade_kube.meta import JsonObject


class NotAllowed(ProxyFailed):
    """The role of who asks lacks a rule; the text says which."""


def granting(namespace: str | None) -> str:
    """The command that prints who may read what the proxies of a namespace count, or of all of them."""
    return f"`crossfade install top {f'-n {namespace}' if namespace else '-A'} --user NAME`"


class PodPages:
    """Which proxies there are in a cluster, and their pages."""

    def __init__(self, client: Client) -> None:
        self._client: Final = client
        self.pods: Final[list[JsonObject]] = []
        """Those that `targets` found last."""

    async def targets(self, namespaces: Sequence[str] = (), *, with_consumers: bool = False) -> list[Target]:
        """Of these namespaces, or of all. Raises KubeError, NotAllowed."""
        pods: list[JsonObject] = []
        for namespace in namespaces or (None,):
            try:
                pods += (await self._client.list(Pod.RESOURCE, namespace=namespace)).items
            except Forbidden as problem:
                where = f"namespace {namespace}" if namespace else "all namespaces"
                raise NotAllowed(
                    f"you may not list pods in {where}, which takes the verb `list` on `pods`\n"
                    f"hint: name a namespace of yours with -n, or apply what {granting(namespace)} prints"
                ) from problem
        self.pods[:] = pods
        return targets_of(pods, with_consumers=with_consumers)

    async def fetch(self, target: Target) -> bytes:
        """Raises ProxyFailed, NotAllowed."""
        path, _, query = target.path.partition("?")
        url = f"/api/v1/namespaces/{target.namespace}/pods/{target.pod}:{target.port}/proxy{path}?{query}"
        page = bytearray()
        try:
            async with aclosing(self._client.pieces(url)) as pieces:
                async for piece in pieces:
                    page += piece
                    if len(page) > MOST_BYTES:
                        raise ProxyFailed(f"its page is longer than {MOST_BYTES} bytes")
        except Forbidden as problem:
            raise NotAllowed(
                f"you may not read pages of pods in namespace {target.namespace}, which takes the verb `get` on"
                f" `pods/proxy`; {granting(target.namespace)} prints what allows it"
            ) from problem
        except NotFound as problem:
            raise ProxyFailed("it has gone, or has no such page") from problem
        except ApiError as problem:
            raise ProxyFailed(problem.message) from problem
        except KubeError as problem:
            raise ProxyFailed(str(problem)) from problem
        return bytes(page)
