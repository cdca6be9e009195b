from crossfade_local.apiserver.admission.escalation import compacted
from crossfade_local.apiserver.security.rbac import atoms


def test_what_is_lacking_is_told_for_each_resource_with_all_verbs() -> None:
    rules = [
        {"apiGroups": [""], "resources": ["secrets", "nodes"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["delete"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get", "head"]},
    ]
    lacking = list(compacted(atom for rule in rules for atom in atoms(rule)))
    assert lacking == [
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["head"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": [], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["delete"]},
    ]
