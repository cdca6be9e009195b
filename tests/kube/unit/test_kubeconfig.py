import base64
from pathlib import Path

import pytest
import yaml

from crossfade_kube.errors import ConfigError
from crossfade_kube.kubeconfig import BearerToken, ClusterConfig, in_cluster_config, load_kubeconfig


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
        ({}, {"exec": {"command": "aws"}}, "credential plugins"),
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
