"""The parameters of the gateway's ingress class; what cannot be read counts as not given (kong.md §1.2)."""

from crossfade.api.kong.class_parameters import IngressClassParameters, IngressClassParametersSpec
from crossfade.compile.diagnostics import Diagnostics
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import IngressClass, IngressClassParametersRef
from crossfade_kube.registry import typed_ref


def class_parameters(snapshot: Snapshot, ingress_class: str, diagnostics: Diagnostics) -> IngressClassParametersSpec:
    known = snapshot.get(IngressClass, "", ingress_class)
    reference = known.spec.parameters if known else None
    if known is None or reference is None:
        return IngressClassParametersSpec()
    problem = _reference_problem(reference)
    found = None if problem else snapshot.get(IngressClassParameters, reference.namespace or "", reference.name)
    if found is not None:
        return found.spec
    diagnostics.error(
        typed_ref(known),
        "ingressclass.parameters-not-usable",
        problem or f"IngressClassParameters {reference.namespace}/{reference.name} not found",
        effect="the default parameters are used",
        hint="name IngressClassParameters that exist, with scope Namespace and their namespace, or none",
        field="spec.parameters",
    )
    return IngressClassParametersSpec()


def _reference_problem(reference: IngressClassParametersRef) -> str | None:
    wanted = IngressClassParameters.RESOURCE
    if (reference.api_group, reference.kind) != (wanted.group, wanted.kind):
        return f"parameters of kind {reference.kind} in API group {reference.api_group or 'v1'!r} are not known"
    if not reference.namespace:
        return "the reference to IngressClassParameters names no namespace"
    return None
