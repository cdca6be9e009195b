"""Credentials by a program that a kubeconfig names (`exec`), as `aws eks get-token`: client.authentication.k8s.io.

It is run as kubectl runs it, when a credential is needed first and again when that has expired.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from crossfade_kube.errors import ConfigError

_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_LONGEST_S: Final = 120


@dataclass(frozen=True)
class Credential:
    """A token, or a certificate with its key in PEM, or both; `expires` is None where it holds on."""

    token: str | None = field(default=None, repr=False)
    certificate_pem: bytes | None = field(default=None, repr=False)
    key_pem: bytes | None = field(default=None, repr=False)
    expires: datetime | None = None

    def has_expired(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True)
class CredentialPlugin:
    """`cluster` is what the program is told of the cluster, where the kubeconfig wants that."""

    api_version: str
    command: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    interactive_mode: str = "IfAvailable"
    cluster: Mapping[str, Any] | None = None

    def credential(self) -> Credential:
        """Runs the program; raises ConfigError."""
        is_interactive = self.interactive_mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
        if self.interactive_mode == "Always" and not is_interactive:
            raise ConfigError(f"{self.command} has to ask you, and there is no terminal")
        spec: dict[str, Any] = {"interactive": is_interactive}
        if self.cluster is not None:
            spec["cluster"] = self.cluster
        asked = json.dumps({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec})
        environment = os.environ | dict(self.environment) | {"KUBERNETES_EXEC_INFO": asked}
        try:
            done = subprocess.run(
                (self.command, *self.arguments),
                env=environment,
                stdin=None if is_interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=None if is_interactive else _LONGEST_S,
                check=False,
            )
        except FileNotFoundError as error:
            hint = f"\nhint: {self.hint}" if self.hint else ""
            raise ConfigError(f"{self.command}, which gives the credentials, is not installed{hint}") from error
        except OSError as error:
            raise ConfigError(
                f"{self.command}, which gives the credentials, cannot be run: {error.strerror}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"{self.command} gave no credentials within {_LONGEST_S} s") from error
        if done.returncode != 0:
            raise ConfigError(f"{self.command}, which gives the credentials, ended with {done.returncode}")
        return self._read(done.stdout)

    def _read(self, output: bytes) -> Credential:
        """Its text never gets into a message."""
        try:
            found = json.loads(output)
            status = found["status"]
            token, certificate, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
            text = status.get("expirationTimestamp")
            expires = datetime.fromisoformat(text) if text else None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(f"{self.command} did not write an ExecCredential with a status") from None
        if found.get("apiVersion") != self.api_version:
            raise ConfigError(f"{self.command} writes another version than {self.api_version}, which was asked for")
        if not token and not (certificate and key):
            raise ConfigError(f"{self.command} gave neither a token nor a certificate with its key")
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        return Credential(
            token or None,
            certificate.encode() if certificate else None,
            key.encode() if key else None,
            expires,
        )


def plugin_of(section: Mapping[str, Any], cluster: Mapping[str, Any], *, directory: Path) -> CredentialPlugin:
    """Of `users[].user.exec`; a relative path of the program starts at `directory`. Raises ConfigError."""
    version, command = section.get("apiVersion"), section.get("command")
    if version not in _VERSIONS:
        raise ConfigError(f"exec.apiVersion is {version!r}; supported are {' and '.join(_VERSIONS)}")
    if not command or not isinstance(command, str):
        raise ConfigError("exec.command is missing")
    if os.sep in command:
        command = str(Path(directory, command))
    told = {
        "server": cluster.get("server"),
        "tls-server-name": cluster.get("tls-server-name"),
        "insecure-skip-tls-verify": cluster.get("insecure-skip-tls-verify"),
        "certificate-authority-data": cluster.get("certificate-authority-data"),
        "proxy-url": cluster.get("proxy-url"),
        "config": _own_config(cluster),
    }
    return CredentialPlugin(
        version,
        command,
        tuple(str(one) for one in section.get("args") or ()),
        tuple((str(one["name"]), str(one["value"])) for one in section.get("env") or ()),
        str(section.get("installHint") or "").strip(),
        str(section.get("interactiveMode") or "IfAvailable"),
        {key: value for key, value in told.items() if value} if section.get("provideClusterInfo") else None,
    )


def _own_config(cluster: Mapping[str, Any]) -> Any:
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == f"{_GROUP}/exec":
            return extension.get("extension")
    return None
