"""What `crossfade up` installs looks as if `kubectl apply` had installed it."""

import json

from crossfade_local.installer import LAST_APPLIED, with_last_applied


def test_the_manifest_is_remembered_as_kubectl_remembers_it() -> None:
    item = {"kind": "ConfigMap", "metadata": {"name": "one", "annotations": {"kept": "yes"}}, "apiVersion": "v1"}
    annotations = with_last_applied(item)["metadata"]["annotations"]
    assert annotations["kept"] == "yes"
    assert json.loads(annotations[LAST_APPLIED]) == item
    assert annotations[LAST_APPLIED].endswith("\n")
