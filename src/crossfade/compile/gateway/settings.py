"""What a gateway is told besides the objects: its class, Kong's own settings, whose habits it follows."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from crossfade.compile.model import ServerCertificate
from crossfade.kong_conf.settings import KongSettings
from crossfade_kube.meta import NamespacedName

COMPAT_PROFILES: Final = ("kong-3", "kong-2.1")
MISSING_PLUGINS: Final = ("closed", "open")
IDENTITY_HEADERS: Final = ("strip", "pass")
SERVER_TOKENS: Final = {"kong-3": "kong/3.9.1", "kong-2.1": "kong/2.1.4"}


class Environment:
    """Variables of the process, for vaults; shows none of them."""

    def __init__(self, variables: Mapping[str, str] = {}) -> None:
        self._variables = dict(variables)

    def get(self, name: str) -> str | None:
        return self._variables.get(name)

    def __repr__(self) -> str:
        return "Environment(***)"


class CompileSettings(Struct, frozen=True):
    """`salt` is mixed into the hashes of API keys; without `default_certificate` there is no TLS listener.

    `stands_alone` says that no other controller looks at the objects.

    `missing_plugins` is what becomes of requests to which a plugin should apply that does not exist: `closed` (503) or
    `open` (served without it, as by Kong). `identity_headers` of a client's (X-Consumer-* and their like) are taken
    away everywhere (`strip`), or only where a plugin authenticates (`pass`, as by Kong).

    `environment` is where vaults with the backend env look, and references to the vault `env` itself if Kong's setting
    `vault_env_prefix` says with what the names begin.
    """

    ingress_class: str = "kong"
    compat: str = "kong-3"
    server_token: str = ""
    kong: KongSettings = KongSettings()
    missing_plugins: str = "closed"
    identity_headers: str = "strip"
    stands_alone: bool = False
    environment: Environment = Environment()
    salt: bytes = b""
    default_certificate: ServerCertificate | None = None
    client_certificate: ServerCertificate | None = None
    """Of Kong's settings, for Services that name no other; shown if `kong.client_ssl` says so."""
    authorities: str | None = None
    """A file, on the proxy's machine, of the certificates that everybody trusts."""
    acme_secrets: tuple[NamespacedName, ...] = ()
    """Which Secrets hold what the plugin acme keeps; without any it can ask for nothing."""
    mesh_node: str = ""
    """`mesh/<mesh>/virtualNode/<node>` where the gateway does for itself what that node's sidecar would."""
    has_mesh_identity: bool = False
    """The proxy can ask the mesh's controller who it is to its peers."""
    cluster_domain: str = "cluster.local"

    records: bool = False
    """The proxy tells the control plane of single requests."""

    namespace: str = ""
    """The gateway's own; empty where no cluster is."""

    @property
    def trusted_authorities(self) -> str | None:
        """By which servers are checked that the gateway turns to: those of Kong's setting, else those of everybody."""
        return self.kong.lua_ssl_trusted_certificate or self.authorities

    @property
    def token(self) -> str:
        """What the gateway calls itself in `Server` and `Via`."""
        return self.server_token or SERVER_TOKENS[self.compat]
