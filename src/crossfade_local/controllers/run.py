"""Wires the controllers together and runs them until cancelled."""

import asyncio
from typing import Any, Final

from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.resources import REPLICATION_CONTROLLER
from crossfade_local.certificate_requests import Authority
from crossfade_local.controllers.autoscaling.controller import AUTOSCALER_EVENTS, Autoscalers
from crossfade_local.controllers.certificate_requests import CertificateRequests
from crossfade_local.controllers.cron_jobs.controller import CronJobs
from crossfade_local.controllers.daemon_sets.controller import DaemonSets
from crossfade_local.controllers.deployments.controller import Deployments
from crossfade_local.controllers.discovery import ServedResources
from crossfade_local.controllers.disruption.controller import DISRUPTION_EVENTS, Budgets
from crossfade_local.controllers.endpoints.controller import Endpoints
from crossfade_local.controllers.endpoints.mirror import EndpointsMirror
from crossfade_local.controllers.garbage.collector import GarbageCollector
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.jobs.controller import Jobs
from crossfade_local.controllers.jobs.orphans import OrphanedJobPods
from crossfade_local.controllers.lost_pods import LostPods
from crossfade_local.controllers.namespaces import Namespaces
from crossfade_local.controllers.node_taints import TAINT_EVENTS, CordonedNodes, TaintEvictions
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.controllers.replica_sets import ReplicaSets
from crossfade_local.controllers.scheduler import SCHEDULER, Scheduler
from crossfade_local.controllers.service_accounts import ServiceAccounts
from crossfade_local.controllers.stateful_sets.controller import StatefulSets
from crossfade_local.controllers.token_secrets import TokenSecrets
from crossfade_local.controllers.volumes.claims import Claims
from crossfade_local.controllers.volumes.ephemeral import EphemeralVolumes
from crossfade_local.controllers.volumes.reclaiming import Volumes
from crossfade_local.local_volumes import LocalVolumes

DEPLOYMENT_EVENTS: Final = "deployment-controller"
REPLICA_SET_EVENTS: Final = "replicaset-controller"
REPLICATION_EVENTS: Final = "replication-controller"
JOB_EVENTS: Final = "job-controller"
CRON_JOB_EVENTS: Final = "cronjob-controller"
DAEMON_SET_EVENTS: Final = "daemonset-controller"
STATEFUL_SET_EVENTS: Final = "statefulset-controller"
VOLUME_EVENTS: Final = "persistentvolume-controller"


async def run_controllers(client: Client, *, volumes: LocalVolumes, node: str, authority: Authority) -> None:
    """Until cancelled; survives restarts and outages of the server. `node` is where `volumes` lie."""
    informers = Informers(client)
    recorders: dict[str, EventRecorder] = {}

    def events(component: str) -> EventRecorder:
        return recorders.setdefault(component, EventRecorder(client, component))

    scheduler = Scheduler(client, informers, events(SCHEDULER))
    workloads: list[Reconciler[Any]] = [
        Deployments(client, informers, events(DEPLOYMENT_EVENTS)).reconciler,
        ReplicaSets(client, informers, events(REPLICA_SET_EVENTS)).reconciler,
        ReplicaSets(client, informers, events(REPLICATION_EVENTS), kind=REPLICATION_CONTROLLER).reconciler,
        Jobs(client, informers, events(JOB_EVENTS)).reconciler,
        OrphanedJobPods(client, informers).reconciler,
        CronJobs(client, informers, events(CRON_JOB_EVENTS)).reconciler,
        DaemonSets(client, informers, events(DAEMON_SET_EVENTS)).reconciler,
        StatefulSets(client, informers, events(STATEFUL_SET_EVENTS)).reconciler,
        Claims(client, informers, events(VOLUME_EVENTS), volumes=volumes, node=node).reconciler,
        EphemeralVolumes(client, informers, events("ephemeral_volume")).reconciler,
        Volumes(client, informers, events(VOLUME_EVENTS), volumes=volumes).reconciler,
        CertificateRequests(client, informers, authority).reconciler,
        Endpoints(client, informers).reconciler,
        EndpointsMirror(client, informers).reconciler,
        ServiceAccounts(client, informers).reconciler,
        TokenSecrets(client, informers).reconciler,
        LostPods(client, informers).reconciler,
        Budgets(client, informers, events(DISRUPTION_EVENTS)).reconciler,
        CordonedNodes(client, informers).reconciler,
        TaintEvictions(client, informers, events(TAINT_EVENTS)).reconciler,
    ]
    served = ServedResources(client, informers)
    of_everything: list[Reconciler[Any]] = [
        GarbageCollector(client, informers, served).reconciler,
        Namespaces(client, informers, served).reconciler,
        Autoscalers(client, informers, events(AUTOSCALER_EVENTS), served).reconciler,
    ]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informers.run(), name="informers")
        for component, recorder in recorders.items():
            tasks.create_task(recorder.run(), name=f"{component} events")
        # Acting on half the truth would create what exists already.
        await informers.synced()
        tasks.create_task(scheduler.run(), name="scheduler")
        for reconciler in workloads:
            tasks.create_task(reconciler.run(), name=reconciler.name)
        tasks.create_task(served.reconciler.run(), name=served.reconciler.name)
        await served.start()
        for reconciler in of_everything:
            tasks.create_task(reconciler.run(), name=reconciler.name)
