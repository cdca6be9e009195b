"""What the compiler knows about a plugin: one `Plugin` for each folder beside this file.

A plugin becomes steps of a route. Most run in the policy module; what Envoy has itself, exactly as Kong did it, is a
filter of Envoy's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from crossfade.compile.policies.schema import Schema
from crossfade_kube.meta import JsonObject

HTTP_PROTOCOLS: Final = ("grpc", "grpcs", "http", "https")
STREAM_PROTOCOLS: Final = ("tcp", "tls", "tls_passthrough", "udp")
ALL_PROTOCOLS: Final = (*HTTP_PROTOCOLS, *STREAM_PROTOCOLS)


def is_for_http(protocols: tuple[str, ...]) -> bool:
    """Of a plugin object; without any, Kong takes it to be for HTTP."""
    return not protocols or not set(protocols).isdisjoint(HTTP_PROTOCOLS)


def is_for_streams(protocols: tuple[str, ...]) -> bool:
    return not set(protocols).isdisjoint(STREAM_PROTOCOLS)


class ModuleStep(Struct, frozen=True):
    """Runs in the policy module under the plugin's name, with this configuration."""

    config: JsonObject


class EnvoyFilter(Struct, frozen=True):
    """Runs in a filter of Envoy's: `name` is that of a module in `envoy/filters`, which reads `config`."""

    name: str
    config: JsonObject = {}


class RouteEdit(Struct, frozen=True):
    """Changes what Envoy does with the route's requests; `response_headers` are set on every response."""

    response_headers: tuple[tuple[str, str], ...] = ()


class ClientCertificates(Struct, frozen=True):
    """Looks at the certificate that a client has shown, which therefore is asked for one in the TLS handshake.

    `authorities` are ids. The compiler gives the module step their certificates as `authorities`; if the plugin
    `tells_authorities`, Envoy gets them as PEM (`told`).
    """

    authorities: tuple[str, ...]
    tells_authorities: bool = False
    told: tuple[str, ...] = ()


class Errand(Struct, frozen=True):
    """What the control plane does for the plugin, apart from requests; `config` may hold secrets."""

    config: JsonObject

    def __repr__(self) -> str:
        return "Errand(***)"


class ProtoFile(Struct, frozen=True):
    """The compiler gives the module step what the .proto file of this path, with all that it imports, says."""

    path: str


Step: TypeAlias = ModuleStep | EnvoyFilter | RouteEdit | ClientCertificates | Errand | ProtoFile


class SigningKey(Struct, frozen=True, gc=False):
    """By which the policy module checks what a caller has signed; `algorithm` is a name of RFC 7518 or `HMAC`.

    One of both, in base64: the `secret` that the caller shares, or the `public` key as DER (SubjectPublicKeyInfo).
    """

    algorithm: str
    secret: str | None = None
    public: str | None = None

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, ***)"


class OAuthClient(Struct, frozen=True, gc=False):
    """An application that asks for tokens; a public one keeps no secret."""

    redirect_uris: tuple[str, ...] | None
    is_public: bool


class CredentialEntry(Struct, frozen=True):
    """What the policy module knows of a credential: `index` finds it, `secret` must be shown besides.

    Both are salted digests where the value is a secret. Only where signatures are checked the module needs the secret
    itself: `key`. `client` is that of an `oauth2` credential.
    """

    index: str
    secret: str | None = None
    key: SigningKey | None = None
    client: OAuthClient | None = None


def _no_problem(data: Mapping[str, bytes]) -> str | None:
    del data
    return None


class CredentialType(Struct, frozen=True):
    """`entry` makes the module's view of a Secret's data with the gateway's salt.

    `problem` says first why data that has all required keys cannot be such a credential, without a word of what is
    secret in it; `entry` is not asked then.
    """

    name: str
    entry: Callable[[Mapping[str, bytes], bytes], CredentialEntry]
    problem: Callable[[Mapping[str, bytes]], str | None] = _no_problem


def _as_it_is(config: JsonObject) -> tuple[Step, ...]:
    return (ModuleStep(config),)


def _unchanged(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config


def _no_warnings(config: JsonObject) -> tuple[str, ...]:
    del config
    return ()


def _no_deprecations(config: Mapping[str, Any]) -> tuple[str, ...]:
    del config
    return ()


class Plugin(Struct, frozen=True):
    """`priority` is Kong's order, higher runs first; `takes_consumer` says whether a consumer may carry it.

    One that `counts_sessions` sees the ends of those of streams, if its protocols are among a plugin object's.
    One that `is_global_only` applies to all requests or to none. `plan` and `warnings` get the configuration with its
    defaults. `modernised` rewrites old spellings before the schema sees them; `deprecations` says what is wrong with
    those. One that `writes_records` tells routes, services and consumers in them.
    """

    name: str
    priority: int
    takes_consumer: bool
    schema: Schema
    plan: Callable[[JsonObject], tuple[Step, ...]] = _as_it_is
    modernised: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _unchanged
    deprecations: Callable[[Mapping[str, Any]], tuple[str, ...]] = _no_deprecations
    warnings: Callable[[JsonObject], tuple[str, ...]] = _no_warnings
    credentials: CredentialType | None = None
    protocols: tuple[str, ...] = HTTP_PROTOCOLS
    is_global_only: bool = False
    writes_records: bool = False
    counts_sessions: bool = False
