"""Identities by whom is to sign them: the controller's own authority, or an issuer of cert-manager."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from crossfade.certs.identities import IssuedIdentity
from crossfade.compile.model import Identity
from crossfade.controller.mesh.identities import Identities, IdentityNews
from crossfade.controller.mesh.requested_identities import RequestedIdentities
from crossfade.install.mesh_names import IDENTITIES_SECRET, ISSUERS_CONFIG_MAP
from crossfade_kube.client import Client
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName


class AllIdentities:
    """Both have to be run."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        *,
        lifetime: timedelta,
        log: EventLog,
        on_change: Callable[[], None],
        tell: Callable[[IdentityNews], None],
    ) -> None:
        secret, config_map = (NamespacedName(namespace, name) for name in (IDENTITIES_SECRET, ISSUERS_CONFIG_MAP))
        self.own = Identities(client, secret, lifetime=lifetime, log=log, on_change=on_change, tell=tell)
        self.requested = RequestedIdentities(
            client, config_map, lifetime=lifetime, log=log, on_change=on_change, tell=tell
        )

    def of(self, identity: Identity) -> IssuedIdentity | None:
        return (self.own if identity.issuer is None else self.requested).of(identity)

    def keep_only(self, wanted: Iterable[Identity]) -> None:
        every = tuple(wanted)
        self.own.keep_only(one for one in every if one.issuer is None)
        self.requested.keep_only(one for one in every if one.issuer is not None)
