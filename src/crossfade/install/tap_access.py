"""What lets people see the requests of one namespace: they make tokens of its service account, which may see them."""

from collections.abc import Sequence

from crossfade.install.rbac import granted, people, rule
from crossfade.observe.access import ACCOUNT, RESOURCE, SUBRESOURCE, VERB
from crossfade_kube.meta import JsonObject


def tap_manifests(
    namespace: str, groups: Sequence[str], users: Sequence[str], control_planes: Sequence[str]
) -> list[JsonObject]:
    """`control_planes` are namespaces."""
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    watchers = people(groups, users)
    sees = [rule("", f"{RESOURCE}/{SUBRESOURCE}", VERB)]
    proves = [
        {**rule("", "serviceaccounts/token", "create"), "resourceNames": [ACCOUNT]},
        # Which proxies are those of a Deployment.
        rule("", "pods", "get", "list"),
        rule("apps", "deployments", "get"),
    ]
    reaches = [rule("", "pods", "list"), rule("", "pods/proxy", "get")]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}},
        *granted(namespace, ACCOUNT, sees, [account]),
        *granted(namespace, f"{ACCOUNT}-for-people", proves, watchers),
        *(
            one
            for where in dict.fromkeys(control_planes)
            for one in granted(where, f"{ACCOUNT}-for-{namespace}", reaches, watchers)
        ),
    ]
