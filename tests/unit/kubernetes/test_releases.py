"""The modules of Go that build a release of Kubernetes."""

import pytest

from tests.kubernetes.releases import (
    DEFAULT,
    coredns_module,
    kubernetes_module,
    neighbour,
    release_of,
    staged_modules,
    stamp,
)

PUBLISHED = """\
module k8s.io/kubernetes

go 1.24.0

godebug default=go1.24

require (
	go.etcd.io/etcd/client/v3 v3.6.4
	k8s.io/api v0.0.0
	k8s.io/client-go v0.0.0
	k8s.io/klog/v2 v2.130.1
	k8s.io/utils v0.0.0-20250604170112-4c0f3b243397
	sigs.k8s.io/json v0.0.0-20241014173422-cfa47c3a1cc8
)
"""


STAGED = {"k8s.io/api": "v0.34.4", "k8s.io/client-go": "v0.34.3"}


def test_staged_modules_are_required_and_replaced_at_the_version_that_is_published_beside_the_release() -> None:
    assert staged_modules(PUBLISHED) == list(STAGED)
    assert kubernetes_module(PUBLISHED, release_of("v1.34.4"), STAGED).splitlines() == [
        "module crossfade/kubernetes",
        "go 1.24.0",
        "godebug default=go1.24",
        "require k8s.io/kubernetes v1.34.4",
        "require go.etcd.io/etcd/server/v3 v3.6.4",
        "require k8s.io/api v0.34.4",
        "replace k8s.io/api => k8s.io/api v0.34.4",
        "require k8s.io/client-go v0.34.3",
        "replace k8s.io/client-go => k8s.io/client-go v0.34.3",
    ]


def test_a_staged_module_that_cannot_be_had_is_an_empty_folder() -> None:
    made = kubernetes_module(PUBLISHED, release_of("v1.34.4"), {"k8s.io/api": "v0.34.4"})
    assert "replace k8s.io/client-go => ./empty/k8s.io/client-go" in made.splitlines()


@pytest.mark.parametrize(
    ("published", "chosen"),
    [
        (["v0.31.8", "v0.31.13", "v0.31.9", "v0.32.0"], "v0.31.13"),
        (["v0.31.0-rc.1", "v0.30.1"], None),
        ([], None),
    ],
)
def test_a_neighbour_is_of_the_same_minor_version(published: list[str], chosen: str | None) -> None:
    assert neighbour(release_of("v1.31.14"), published) == chosen


@pytest.mark.parametrize(
    ("line", "what"), [("go 1.24.0", "version of Go"), ("go.etcd.io/etcd/client/v3 v3.6.4", "etcd")]
)
def test_a_module_that_is_made_otherwise_is_refused(line: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        kubernetes_module(PUBLISHED.replace(line, ""), release_of(DEFAULT), {})


@pytest.mark.parametrize("text", ["1.34.4", "v1.34", "v2.0.0", "v1.34.4-rc.1", "latest", ""])
def test_only_releases_are_built(text: str) -> None:
    with pytest.raises(ValueError, match="is no version of Kubernetes"):
        release_of(text)


def test_programs_tell_their_version() -> None:
    flags = stamp(release_of("v1.31.14"))
    assert "-X k8s.io/component-base/version.gitVersion=v1.31.14" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=31" in flags


def test_the_name_server_is_one_module_whatever_the_release() -> None:
    assert "require github.com/coredns/coredns v" in coredns_module()
