"""The parts of a running API server, handed to every handler."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from crossfade_local.apiserver.admission.chain import AdmissionChain
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.kubelet import Kubelet
from crossfade_local.apiserver.measures import Measures
from crossfade_local.apiserver.security.rbac import Authorizer
from crossfade_local.apiserver.security.tokens import TokenAuthority
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Api:
    registry: Registry
    storage: Storage
    admission: AdmissionChain
    authorizer: Authorizer
    tokens: TokenAuthority
    kubelet: Kubelet
    rules: Rules = field(default_factory=Rules)
    clock: Callable[[], datetime] = field(default=utc_now)
    measures: Measures = field(init=False)

    def __post_init__(self) -> None:
        self.measures = Measures(self.storage, self.registry)
