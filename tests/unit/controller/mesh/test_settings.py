import pytest

from crossfade.controller.mesh.settings import MeshSettings


def test_where_endpoints_come_from_is_told_by_the_environment() -> None:
    plain = MeshSettings.from_environment({}, None)
    assert (plain.cluster_domain, plain.uses_aws_cloud_map) == ("cluster.local", False)
    given = {"CROSSFADE_CLUSTER_DOMAIN": "corp.example.", "CROSSFADE_CLOUD_MAP": "aws"}
    found = MeshSettings.from_environment(given, None)
    assert (found.cluster_domain, found.uses_aws_cloud_map) == ("corp.example", True)


@pytest.mark.parametrize(
    ("name", "value"), [("CROSSFADE_CLUSTER_DOMAIN", "corp..example"), ("CROSSFADE_CLOUD_MAP", "azure")]
)
def test_what_they_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is '{value}': "):
        MeshSettings.from_environment({name: value}, None)
