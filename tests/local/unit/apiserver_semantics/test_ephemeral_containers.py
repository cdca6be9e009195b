"""What may be added to a running pod."""

from typing import Any

import pytest

from crossfade_local.apiserver.validation.ephemeral_containers import validate_ephemeral_containers

Json = dict[str, Any]


def pod(*ephemeral: Json) -> Json:
    spec = {"containers": [{"name": "main", "image": "i"}], "ephemeralContainers": list(ephemeral)}
    return {"metadata": {"name": "p", "namespace": "n", "resourceVersion": "1"}, "spec": spec}


EYE = {"name": "eye", "image": "look"}


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ([], [EYE], ""),
        ([EYE], [EYE, {**EYE, "name": "ear", "targetContainerName": "main"}], ""),
        ([EYE], [], 'existing ephemeral containers "eye" may not be removed'),
        ([EYE], [{**EYE, "image": "other"}], 'existing ephemeral containers "eye" may not be changed'),
        ([], [EYE, EYE], 'spec.ephemeralContainers[1].name: Duplicate value: "eye"'),
        ([], [{**EYE, "name": "main"}], 'spec.ephemeralContainers[0].name: Duplicate value: "main"'),
        ([], [{**EYE, "name": "A"}], "spec.ephemeralContainers[0].name: Invalid value"),
        ([], [{"name": "eye"}], "spec.ephemeralContainers[0].image: Required value"),
        ([], [{**EYE, "targetContainerName": "x"}], 'targetContainerName: Not found: "x"'),
        ([], [{**EYE, "lifecycle": {"a": 1}}], "lifecycle: Forbidden: cannot be set for an Ephemeral Container"),
        ([], [{**EYE, "volumeMounts": [{"subPath": "a"}]}], "volumeMounts[0].subPath: Forbidden"),
    ],
)
def test_they_may_only_be_added(before: list[Json], after: list[Json], problem: str) -> None:
    found = [str(error) for error in validate_ephemeral_containers(pod(*after), pod(*before))]
    assert bool(found) == bool(problem)
    assert problem in "".join(found)
