import pytest

from crossfade.compile.mesh.short_names import added_domains, short_names


@pytest.mark.parametrize(
    ("host", "namespace", "names"),
    [
        ("jazz.prod.svc.cluster.local", "prod", ("jazz", "jazz.prod", "jazz.prod.svc")),
        ("jazz.prod.svc.cluster.local", "web", ("jazz.prod", "jazz.prod.svc")),
        ("jazz.prod", "prod", ("jazz", "jazz.prod.svc", "jazz.prod.svc.cluster.local")),
        ("JAZZ.prod", "prod", ("jazz", "jazz.prod.svc", "jazz.prod.svc.cluster.local")),
        ("jazz", "prod", ()),
        ("api.example.com", "prod", ()),
        ("0.jazz.prod.svc.cluster.local", "prod", ()),
    ],
)
def test_names_that_a_resolver_would_complete_to_the_same_service(
    host: str, namespace: str, names: tuple[str, ...]
) -> None:
    assert short_names(host, namespace, "cluster.local") == names


def test_a_name_is_never_taken_from_another_service() -> None:
    hosts = ["jazz.prod.svc.cluster.local", "jazz.prod", "JAZZ"]
    assert added_domains(hosts, 80, "prod", "cluster.local") == {
        "jazz.prod.svc.cluster.local": ("jazz.prod.svc", "jazz.prod.svc:80"),
        "jazz.prod": (),
        "JAZZ": (),
    }
