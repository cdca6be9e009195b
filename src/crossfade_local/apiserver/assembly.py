"""Puts the parts of the server together over a data directory."""

from pathlib import Path

from crossfade_local.apiserver.admission import (
    certificates,
    escalation,
    ingresses,
    limits,
    namespaces,
    pods,
    priorities,
    runtime_classes,
    services,
)
from crossfade_local.apiserver.admission import storage as volumes
from crossfade_local.apiserver.admission.chain import AdmissionChain, Mutates, Validates
from crossfade_local.apiserver.admission.pod_security import pod_security
from crossfade_local.apiserver.admission.webhooks import WebhookCaller
from crossfade_local.apiserver.api import Api, utc_now
from crossfade_local.apiserver.crd.lifecycle import Lifecycle
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.housekeeping import RoleAggregation
from crossfade_local.apiserver.kubelet import Kubelet
from crossfade_local.apiserver.policies.enforcement import PolicyEnforcement
from crossfade_local.apiserver.policies.mutating import PolicyMutation
from crossfade_local.apiserver.policies.parameter_access import only_readable_parameters
from crossfade_local.apiserver.policies.status import PolicyStatus
from crossfade_local.apiserver.quota.enforcement import QuotaStatus, check_quotas
from crossfade_local.apiserver.quota.ledger import Ledger
from crossfade_local.apiserver.security.pki import Pki
from crossfade_local.apiserver.security.rbac import Authorizer
from crossfade_local.apiserver.security.tokens import TokenAuthority
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry


class Assembly:
    """Everything that has to be closed in the end."""

    def __init__(self, database: Database, pki: Pki, kubelet_socket: Path | None) -> None:
        self.storage = Storage(database)
        self.registry = Registry(BuiltinTypes.load())
        self.lifecycle = Lifecycle(self.storage, self.registry, utc_now)
        rules = Rules()
        authorizer = Authorizer(self.storage)
        parts = (self.storage, self.registry, rules, authorizer)
        self.webhooks = WebhookCaller(*parts)
        mutators, validators = (PolicyMutation(*parts), self.webhooks), (PolicyEnforcement(*parts), self.webhooks)
        self.kubelet = Kubelet(kubelet_socket)
        self.roles = RoleAggregation(self.storage)
        ledger = Ledger(self.storage)
        self.policies = PolicyStatus(self.storage, self.registry, utc_now)
        self.quotas = QuotaStatus(self.storage, ledger)
        self.api = Api(
            registry=self.registry,
            storage=self.storage,
            admission=_chain(self.storage, self.registry, authorizer, ledger, mutators, validators),
            authorizer=authorizer,
            tokens=TokenAuthority(pki.service_account_key, self.storage),
            kubelet=self.kubelet,
            rules=rules,
        )

    async def close(self) -> None:
        await self.lifecycle.close()
        await self.api.rules.close()
        await self.webhooks.close()
        await self.kubelet.close()
        self.storage.close()


def _chain(
    storage: Storage,
    registry: Registry,
    authorizer: Authorizer,
    ledger: Ledger,
    mutators: tuple[Mutates, ...],
    validators: tuple[Validates, ...],
) -> AdmissionChain:
    return AdmissionChain(
        gate=(namespaces.namespace_lifecycle(storage),),
        waits=(pods.default_account(storage),),
        mutators=(
            pods.service_account(storage),
            priorities.of_pods(storage),
            pods.tolerations,
            runtime_classes.apply_runtime_class(storage),
            limits.defaults_of_limits(storage),
            services.allocate(storage),
            ingresses.default_class(storage),
            volumes.default_class(storage),
            volumes.protect,
            certificates.note_requester,
        ),
        validators=(
            escalation.no_escalation(storage, authorizer),
            pod_security(storage),
            runtime_classes.check_overhead(storage),
            limits.check_limits(storage),
            volumes.only_growing_classes(storage),
            priorities.of_classes(storage),
            certificates.no_masters,
            certificates.only_by_permission(authorizer),
            only_readable_parameters(storage, registry, authorizer),
        ),
        registered_mutators=mutators,
        registered_validators=validators,
        last=(check_quotas(ledger),),
    )
