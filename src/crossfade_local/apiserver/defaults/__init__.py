"""Default values of built-in kinds, as Kubernetes 1.36 fills them in."""

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.defaults.kinds import DEFAULTERS
from crossfade_local.apiserver.defaults.pod import initial_status
from crossfade_local.apiserver.defaults.service import default_addresses, drop_type_dependent_fields
from crossfade_local.apiserver.defaults.workloads import TEMPLATE_GENERATION, generate_job_selector
from crossfade_local.apiserver.values.copies import copied

__all__ = [
    "TEMPLATE_GENERATION",
    "apply_defaults",
    "default_addresses",
    "drop_type_dependent_fields",
    "generate_job_selector",
    "initial_status",
]


def apply_defaults(kind_key: tuple[str, str, str], obj: JsonObject) -> JsonObject:
    """A copy with defaults filled in; `kind_key` is (group, version, kind). Unknown kinds come back as they are."""
    defaulter = DEFAULTERS.get((kind_key[0], kind_key[2]))
    if defaulter is None:
        return obj
    result = copied(obj)
    defaulter(result)
    return result
