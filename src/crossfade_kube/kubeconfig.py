"""Where the API server is and how to prove who we are: from a kubeconfig file or from inside a pod.

Client certificates, bearer tokens, token files and programs that give credentials (`exec`) work. What Kubernetes has
given up itself (`auth-provider`, passwords) is refused with a reason.
"""

import base64
import binascii
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from crossfade_kube.credential_plugin import Credential, CredentialPlugin, plugin_of
from crossfade_kube.errors import ConfigError

SERVICE_ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SOCKET_MARK: Final = "CROSSFADE_SOCKET_MARK"
"""Set where a mesh tells those who bypass it by the mark of their sockets."""
_REFUSED_AUTH: Final = {
    "auth-provider": "auth-provider plugins",
    "username": "user names with passwords",
}


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """`server` has no trailing slash. `token_file` is read again whenever it changes and wins over `token`.

    A `plugin` is asked for a token when `credential`, its last answer, has expired.
    """

    server: str
    namespace: str = "default"
    ca_pem: bytes | None = None
    tls_server_name: str | None = None
    verifies_server: bool = True
    client_certificate_pem: bytes | None = field(default=None, repr=False)
    client_key_pem: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    plugin: CredentialPlugin | None = None
    credential: Credential | None = None
    socket_mark: int | None = None
    """Of all connections (SO_MARK, which takes CAP_NET_ADMIN)."""

    def ssl_context(self) -> ssl.SSLContext | None:
        """None for plain http."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca_pem.decode() if self.ca_pem else None)
        if not self.verifies_server:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_certificate_pem and self.client_key_pem:
            # The ssl module loads key pairs from files only.
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(self.client_certificate_pem + b"\n" + self.client_key_pem)
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def load_kubeconfig(path: Path, *, context: str | None = None) -> ClusterConfig:
    """The given or current context of a kubeconfig file, with what its plugin says; raises ConfigError."""
    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as exc:
        raise ConfigError(f"kubeconfig {path} cannot be read: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"kubeconfig {path} is not valid YAML: {exc}") from exc
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig {path} is empty or not a mapping")
    try:
        return _with_credential(config_from_kubeconfig(document, context=context, directory=path.parent))
    except ConfigError as exc:
        raise ConfigError(f"kubeconfig {path}: {exc}") from exc


def _with_credential(config: ClusterConfig) -> ClusterConfig:
    if config.plugin is None:
        return config
    found = config.plugin.credential()
    return replace(
        config,
        credential=found,
        token=found.token or config.token,
        client_certificate_pem=found.certificate_pem or config.client_certificate_pem,
        client_key_pem=found.key_pem or config.client_key_pem,
    )


def config_from_kubeconfig(
    document: Mapping[str, Any], *, context: str | None = None, directory: Path = Path()
) -> ClusterConfig:
    """Same for a parsed kubeconfig; relative file names in it start at `directory`."""
    context = context or document.get("current-context")
    if not context:
        raise ConfigError("no current-context is set; choose one with: kubectl config use-context NAME")
    chosen = _entry(document, "contexts", "context", context)
    cluster = _entry(document, "clusters", "cluster", chosen.get("cluster", ""))
    user = _entry(document, "users", "user", chosen["user"]) if chosen.get("user") else {}
    for key, what in _REFUSED_AUTH.items():
        if user.get(key):
            raise ConfigError(
                f"user {chosen['user']!r} uses {what}, which are not supported; use a token or a client certificate"
            )
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise ConfigError(f"cluster {chosen.get('cluster')!r} has no usable server URL")
    token_file = user.get("tokenFile")
    return ClusterConfig(
        server=server,
        namespace=chosen.get("namespace") or "default",
        ca_pem=_pem(cluster, "certificate-authority", directory),
        tls_server_name=cluster.get("tls-server-name"),
        verifies_server=not cluster.get("insecure-skip-tls-verify"),
        client_certificate_pem=_pem(user, "client-certificate", directory),
        client_key_pem=_pem(user, "client-key", directory),
        token=user.get("token"),
        token_file=directory / token_file if token_file else None,
        plugin=plugin_of(user["exec"], cluster, directory=directory) if user.get("exec") else None,
    )


def cluster_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those that `in_cluster_config` reads."""
    return {name: value for name, value in environ.items() if name.startswith("KUBERNETES_") or name == SOCKET_MARK}


def in_cluster_config(environ: Mapping[str, str], *, directory: Path = SERVICE_ACCOUNT_DIR) -> ClusterConfig:
    """The pod's own service account; raises ConfigError outside of a pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    token_file = directory / "token"
    if not host or not token_file.exists():
        raise ConfigError(
            "not running inside a Kubernetes pod (KUBERNETES_SERVICE_HOST or the service account token is missing);"
            " pass a kubeconfig"
        )
    ca_file, namespace_file = directory / "ca.crt", directory / "namespace"
    host = f"[{host}]" if ":" in host else host
    return ClusterConfig(
        server=f"https://{host}:{port}",
        namespace=namespace_file.read_text().strip() if namespace_file.exists() else "default",
        ca_pem=ca_file.read_bytes() if ca_file.exists() else None,
        token_file=token_file,
        socket_mark=_mark(environ.get(SOCKET_MARK, "")),
    )


def _mark(text: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal() and int(text) < 2**32):
        raise ConfigError(f"{SOCKET_MARK} is {text!r}: it must be a number below 2^32")
    return int(text) if text else None


def _entry(document: Mapping[str, Any], section: str, key: str, name: str) -> Mapping[str, Any]:
    for entry in document.get(section) or ():
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry.get(key) or {}
            return found
    raise ConfigError(f"{key} {name!r} is not defined under {section}")


def _pem(section: Mapping[str, Any], key: str, directory: Path) -> bytes | None:
    """Inline data wins over a file, as in kubectl."""
    if data := section.get(f"{key}-data"):
        try:
            return base64.b64decode("".join(str(data).split()), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ConfigError(f"{key}-data is not base64") from exc
    if name := section.get(key):
        try:
            return Path(directory, str(name)).read_bytes()
        except OSError as exc:
            raise ConfigError(f"{key} {name} cannot be read: {exc.strerror}") from exc
    return None


class BearerToken:
    """The token to send now; follows the rotation of a token file, and asks a plugin again when its token expires."""

    def __init__(self, config: ClusterConfig, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._token = config.token
        self._file = config.token_file
        self._plugin = config.plugin
        self._credential = config.credential
        self._now = now
        self._seen: tuple[int, int] | None = None

    def current(self) -> str | None:
        """Raises ConfigError when there is none to be had."""
        if self._file is not None:
            return self._of_file(self._file)
        if self._plugin is not None and (self._credential is None or self._credential.has_expired(self._now())):
            self._credential = self._plugin.credential()
            self._token = self._credential.token
        return self._token

    def _of_file(self, file: Path) -> str | None:
        try:
            state = file.stat()
            # Projected tokens rotate by a symlink swap, so the inode counts as much as the time.
            if (seen := (state.st_mtime_ns, state.st_ino)) != self._seen:
                self._token, self._seen = file.read_text().strip(), seen
        except OSError as exc:
            if self._token is None:
                raise ConfigError(f"token file {file} cannot be read: {exc.strerror}") from exc
        return self._token
