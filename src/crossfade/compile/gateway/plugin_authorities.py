"""Plugins that look at clients' certificates get those of the authorities that they name."""

from typing import Final

from msgspec.structs import replace

from crossfade.compile.gateway.authorities import Authorities
from crossfade.compile.policies.plugin import ClientCertificates, ModuleStep, Step
from crossfade.compile.policies.registry import Accepted, Refused, module_problem

LOOKING_AT_CERTIFICATES: Final = frozenset({"mtls-auth"})
_HINT: Final = (
    'create a Secret with the label konghq.com/ca-cert: "true", the gateway\'s class as its annotation, and this id'
)


def with_authorities(accepted: Accepted, authorities: Authorities) -> Accepted | Refused:
    """What has no such step stays as it is."""
    named = next((step for step in accepted.steps if isinstance(step, ClientCertificates)), None)
    if named is None:
        return accepted
    missing = [place for place, each in enumerate(named.authorities, 1) if each not in authorities]
    if missing:
        texts = "; ".join(f"config.ca_certificates.{place}: no usable certificate has this id" for place in missing)
        title = "schema violation" if len(missing) == 1 else f"{len(missing)} schema violations"
        return Refused(f"{title} ({texts})", _HINT, "config.ca_certificates", is_schema_violation=False)
    found = [authorities[each] for each in named.authorities]
    told = tuple(one.pem for one in found) if named.tells_authorities else ()

    def completed(step: Step) -> Step:
        if isinstance(step, ModuleStep):
            return ModuleStep({**step.config, "authorities": [{"id": one.id, "der": one.der} for one in found]})
        return replace(step, told=told) if isinstance(step, ClientCertificates) else step

    steps = tuple(completed(step) for step in accepted.steps)
    for step in steps:
        if isinstance(step, ModuleStep) and (problem := module_problem(accepted.plugin.name, step)) is not None:
            hint = "give certificates that other gateways take too"
            return Refused(problem, hint, "config.ca_certificates", is_schema_violation=True)
    return Accepted(accepted.plugin, steps, accepted.warnings)
