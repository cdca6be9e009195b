import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from crossfade_kube.errors import ConfigError
from crossfade_kube.kubeconfig import (
    SOCKET_MARK,
    BearerToken,
    ClusterConfig,
    cluster_variables,
    in_cluster_config,
    load_kubeconfig,
)

VERSION = "client.authentication.k8s.io/v1"


def _kubeconfig(path: Path, *, cluster: dict[str, object] | None = None, user: dict[str, object] | None = None) -> Path:
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "prod"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    (path / "config").write_text(yaml.safe_dump(document))
    return path / "config"


def test_inline_data_and_relative_files(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(b"KEY")
    data = base64.b64encode(b"CERT").decode()
    config = load_kubeconfig(
        _kubeconfig(
            tmp_path,
            cluster={"certificate-authority-data": base64.b64encode(b"CA").decode()},
            user={"client-certificate-data": data, "client-key": "key.pem"},
        )
    )
    assert config.server == "https://127.0.0.1:6443"
    assert config.namespace == "prod"
    assert (config.ca_pem, config.client_certificate_pem, config.client_key_pem) == (b"CA", b"CERT", b"KEY")
    assert "KEY" not in repr(config)


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        ({}, {"exec": {"command": "aws"}}, "exec.apiVersion is None"),
        ({}, {"exec": {"apiVersion": VERSION}}, "exec.command is missing"),
        (
            {},
            {"exec": {"apiVersion": VERSION, "command": "no-such", "installHint": "get it"}},
            "installed\nhint: get it",
        ),
        ({}, {"exec": {"apiVersion": VERSION, "command": "false"}}, "false, which gives the credentials, ended with 1"),
        ({}, {"exec": {"apiVersion": VERSION, "command": "true"}}, "did not write an ExecCredential"),
        ({}, {"auth-provider": {"name": "gcp"}}, "auth-provider plugins"),
        ({}, {"username": "a", "password": "b"}, "user names with passwords"),
        ({"server": "ftp://x"}, {}, "no usable server URL"),
        ({"certificate-authority-data": "%%"}, {}, "not base64"),
        ({"certificate-authority": "missing.pem"}, {}, "missing.pem cannot be read"),
    ],
)
def test_what_cannot_be_used_says_why(
    tmp_path: Path, cluster: dict[str, object], user: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_kubeconfig(_kubeconfig(tmp_path, cluster=cluster, user=user))


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="context 'there' is not defined"):
        load_kubeconfig(_kubeconfig(tmp_path), context="there")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_kubeconfig(tmp_path / "nothing")


def test_inside_a_pod(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError, match="not running inside"):
        in_cluster_config(environ, directory=tmp_path)
    (tmp_path / "token").write_text("t1\n")
    (tmp_path / "namespace").write_text("kong")
    config = in_cluster_config(environ, directory=tmp_path)
    assert (config.server, config.namespace) == ("https://10.96.0.1:443", "kong")
    assert in_cluster_config({**environ, "KUBERNETES_SERVICE_HOST": "fd00::1"}, directory=tmp_path).server == (
        "https://[fd00::1]:443"
    )


def test_a_rotated_token_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    token = BearerToken(ClusterConfig(server="https://x", token_file=file))
    assert token.current() == "old"
    (tmp_path / "next").write_text("new")
    (tmp_path / "next").rename(file)
    assert token.current() == "new"
    file.unlink()
    assert token.current() == "new"


def _plugin(folder: Path, status: dict[str, str]) -> dict[str, object]:
    """Notes what it was asked and how often; its answers are the status."""
    program = folder / "get-token"
    answer = json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": status})
    note = f'echo "$KUBERNETES_EXEC_INFO $1 $REGION" >> {folder}/asked'
    program.write_text(f"#!/bin/sh\n{note}\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o700)
    environment = [{"name": "REGION", "value": "eu-1"}]
    return {"apiVersion": VERSION, "command": "./get-token", "args": ["now"], "env": environment}


def test_a_plugin_gives_the_token_and_gives_another_when_that_expires(tmp_path: Path) -> None:
    plugin = _plugin(tmp_path, {"token": "secret-1", "expirationTimestamp": "2026-01-01T00:15:00Z"})
    config = load_kubeconfig(_kubeconfig(tmp_path, user={"exec": plugin | {"provideClusterInfo": True}}))
    assert "secret-1" not in repr(config)
    told, _, rest = (tmp_path / "asked").read_text().rpartition("} ")
    assert json.loads(told + "}")["spec"]["cluster"] == {"server": "https://127.0.0.1:6443/"}
    assert rest == "now eu-1\n"
    time = datetime(2026, 1, 1, tzinfo=UTC)
    token = BearerToken(config, now=lambda: time)
    assert token.current() == "secret-1"
    _plugin(tmp_path, {"token": "secret-2"})
    assert token.current() == "secret-1"
    time += timedelta(minutes=15)
    assert [token.current(), token.current()] == ["secret-2", "secret-2"]
    assert len((tmp_path / "asked").read_text().splitlines()) == 2


def test_a_plugin_gives_a_certificate(tmp_path: Path) -> None:
    plugin = _plugin(tmp_path, {"clientCertificateData": "CERT", "clientKeyData": "KEY"})
    config = load_kubeconfig(_kubeconfig(tmp_path, user={"exec": plugin}))
    assert (config.client_certificate_pem, config.client_key_pem) == (b"CERT", b"KEY")
    assert BearerToken(config).current() is None


def test_a_plugin_that_must_ask_somebody_needs_a_terminal(tmp_path: Path) -> None:
    plugin = _plugin(tmp_path, {"token": "t"}) | {"interactiveMode": "Always"}
    with pytest.raises(ConfigError, match="has to ask you, and there is no terminal"):
        load_kubeconfig(_kubeconfig(tmp_path, user={"exec": plugin}))


@pytest.mark.parametrize(("text", "mark"), [("", None), ("1337", 1337), ("4294967295", 2**32 - 1)])
def test_connections_are_marked_where_a_mesh_asks_for_it(tmp_path: Path, text: str, mark: int | None) -> None:
    (tmp_path / "token").write_text("t")
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", SOCKET_MARK: text, "HOME": "/"}
    told = cluster_variables(environ)
    assert told == {"KUBERNETES_SERVICE_HOST": "10.96.0.1", SOCKET_MARK: text}
    assert in_cluster_config(told, directory=tmp_path).socket_mark == mark


@pytest.mark.parametrize("text", ["-1", "4294967296", "0x539", "\u0661"])
def test_a_mark_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text("t")
    with pytest.raises(ConfigError, match="CROSSFADE_SOCKET_MARK is"):
        in_cluster_config({"KUBERNETES_SERVICE_HOST": "10.96.0.1", SOCKET_MARK: text}, directory=tmp_path)
