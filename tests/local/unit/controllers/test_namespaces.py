from datetime import UTC, datetime

from crossfade_kube.resources import CONFIG_MAP, REPLICA_SET
from crossfade_local.controllers.discovery import served_resources
from crossfade_local.controllers.namespaces import Remains, ending_conditions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_conditions_say_what_a_namespace_waits_for() -> None:
    held = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    remains = Remains({REPLICA_SET: [{"metadata": {"name": "r"}}], CONFIG_MAP: [held]}, [])
    found = {
        item["type"]: (item["status"], item["reason"], item["message"]) for item in ending_conditions(remains, NOW)
    }
    left = "configmaps. has 1 resource instances, replicasets.apps has 1 resource instances"
    holding = "example.com/hold in 1 resource instances"
    assert found == {
        "NamespaceDeletionDiscoveryFailure": (
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": ("True", "SomeResourcesRemain", f"Some resources are remaining: {left}"),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {holding}",
        ),
    }


def test_resources_from_discovery() -> None:
    def resource(plural: str, kind: str, *verbs: str) -> dict[str, object]:
        return {"resource": plural, "scope": "Namespaced", "verbs": list(verbs), "responseKind": {"kind": kind}}

    everything = ("delete", "list", "watch", "get")
    things = resource("things", "Thing", *everything)
    ingresses = resource("ingresses", "Ingress", *everything)
    groups = [
        {"metadata": {}, "versions": [{"version": "v1", "resources": [resource("events", "Event", *everything)]}]},
        {
            "metadata": {"name": "example.com"},
            "versions": [
                {"version": "v2", "resources": [things]},
                {"version": "v1", "resources": [things, resource("reviews", "Review", "create")]},
            ],
        },
        {"metadata": {"name": "extensions"}, "versions": [{"version": "v1beta1", "resources": [ingresses]}]},
    ]
    assert [(*served.resource[:3], served.is_watched) for served in served_resources(groups)] == [
        ("", "v1", "events", False),
        ("example.com", "v2", "things", True),
    ]
