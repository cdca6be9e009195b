"""What discovery tells of subresources."""

import pytest

from crossfade_local.apiserver.discovery.resources import resource_list
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry


@pytest.mark.parametrize(
    ("group", "name", "version"),
    [
        ("", "pods/eviction", ("policy", "v1")),
        ("", "pods/exec", None),
        ("", "serviceaccounts/token", ("authentication.k8s.io", "v1")),
        ("apps", "deployments/scale", ("autoscaling", "v1")),
        ("apps", "deployments/status", None),
    ],
)
def test_only_the_version_of_another_group_is_named(group: str, name: str, version: tuple[str, str] | None) -> None:
    found = resource_list(Registry(BuiltinTypes.load()), group, "v1")
    assert found is not None
    (row,) = [one for one in found["resources"] if one["name"] == name]
    assert (row.get("group"), row.get("version")) == (version or (None, None))
