"""The parts of a running API server, handed to every handler."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crossfade.local.apiserver.registry import Registry
from crossfade.local.apiserver.storage import Storage

if TYPE_CHECKING:
    from crossfade.local.apiserver.admission.chain import AdmissionChain
    from crossfade.local.apiserver.rbac import Authorizer
    from crossfade.local.apiserver.tokens import TokenAuthority
    from crossfade.local.apiserver.tunnel import Kubelet


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Api:
    registry: Registry
    storage: Storage
    admission: "AdmissionChain"
    authorizer: "Authorizer"
    tokens: "TokenAuthority"
    kubelet: "Kubelet"
    clock: Callable[[], datetime] = field(default=utc_now)
