"""Which cluster commands ask where none is named."""

import argparse
from pathlib import Path

import pytest

from crossfade.cli.clusters import cluster_config
from crossfade_kube import kubeconfig
from crossfade_kube.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_in_a_pod_that_of_the_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("prod")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setattr(kubeconfig.in_cluster_config, "__kwdefaults__", {"directory": tmp_path})
    found = cluster_config(argparse.Namespace(kubeconfig=None))
    assert (found.server, found.namespace) == ("https://10.96.0.1:443", "prod")


def test_a_pod_without_a_token_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with pytest.raises(ConfigError, match="service account token is missing"):
        cluster_config(argparse.Namespace(kubeconfig=None))


def test_a_file_that_is_named_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    for given in (None, tmp_path / "absent"):
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
        with pytest.raises(ConfigError, match="absent"):
            cluster_config(argparse.Namespace(kubeconfig=given))
