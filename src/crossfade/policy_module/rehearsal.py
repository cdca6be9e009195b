"""One request as asked of the policy module, and what it says of it (`filters/src/rehearsal.rs`)."""

from typing import Literal

from msgspec import Struct


class Question(Struct, frozen=True, omit_defaults=True):
    """`target` is path and query as sent; `peer` and `local` are addresses with ports. Headers in lower case."""

    method: str
    target: str
    authority: str
    peer: str
    local: str
    is_tls: bool = False
    sni: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Matched(Struct, frozen=True):
    id: str
    rank: str


class Nearest(Struct, frozen=True):
    """`fails`: `scheme`, `host`, `method`, `sni`, `headers`, `path`."""

    id: str
    fails: tuple[str, ...]


class TakingPart(Struct, frozen=True):
    """`order` is the plugin's place among all. `sees-response`: an earlier one has answered; `asks`: it would turn to
    somebody else and wait; `may-run`: the answer that an earlier one waits for decides.
    """

    order: int
    instance: str
    part: Literal["ran", "answered", "sees-response", "asks", "may-run"]


class Answer(Struct, frozen=True):
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class Upstream(Struct, frozen=True):
    """Headers as they go on, `:path` among them."""

    headers: tuple[tuple[str, str], ...]


class WithoutEndpoint(Struct, frozen=True):
    status: int
    message: str


class Rehearsal(Struct, frozen=True):
    """Either an `answer` of the gateway's own, or `upstream`, or a plugin `asks`."""

    route: Matched | None
    runner_up: Matched | None
    nearest: tuple[Nearest, ...]
    plugins: tuple[TakingPart, ...]
    answer: Answer | None
    upstream: Upstream | None
    without_endpoint: WithoutEndpoint
