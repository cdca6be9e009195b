"""Which references to IngressClassParameters are followed, and what is said of the others."""

import pytest

from crossfade.api.kong.class_parameters import IngressClassParameters, IngressClassParametersSpec
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.class_parameters import class_parameters
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import IngressClass, IngressClassParametersRef, IngressClassSpec
from crossfade_kube.meta import ObjectMeta

GROUP, KIND = "configuration.konghq.com", "IngressClassParameters"
GIVEN = IngressClassParametersSpec(service_upstream=True)
REFERENCES = [
    (None, True, ""),
    (IngressClassParametersRef(KIND, "given", GROUP, "Namespace", "kong"), False, ""),
    (IngressClassParametersRef(KIND, "other", GROUP, "Namespace", "kong"), True, "kong/other not found"),
    (IngressClassParametersRef(KIND, "given", GROUP), True, "names no namespace"),
    (IngressClassParametersRef("ConfigMap", "given", None, "Namespace", "kong"), True, "kind ConfigMap"),
]


@pytest.mark.parametrize(("reference", "is_default", "problem"), REFERENCES)
def test_parameters(reference: IngressClassParametersRef | None, is_default: bool, problem: str) -> None:
    diagnostics = Diagnostics()
    snapshot = Snapshot.of(
        [
            IngressClass(ObjectMeta(name="kong"), IngressClassSpec(parameters=reference)),
            IngressClassParameters(ObjectMeta(name="given", namespace="kong"), GIVEN),
        ]
    )
    found = class_parameters(snapshot, "kong", diagnostics)
    assert found == (IngressClassParametersSpec() if is_default else GIVEN)
    texts = [diagnostic.message for diagnostic in diagnostics]
    assert len(texts) == bool(problem)
    assert all(problem in text for text in texts)
