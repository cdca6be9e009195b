"""Wires the controllers together and runs them until cancelled."""

import asyncio
from typing import Any, Final

from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_local.controllers.deployments.controller import Deployments
from crossfade_local.controllers.discovery import ServedResources
from crossfade_local.controllers.endpoints.controller import Endpoints
from crossfade_local.controllers.endpoints.mirror import EndpointsMirror
from crossfade_local.controllers.garbage.collector import GarbageCollector
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.jobs import Jobs
from crossfade_local.controllers.lost_pods import LostPods
from crossfade_local.controllers.namespaces import Namespaces
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.controllers.replica_sets import ReplicaSets
from crossfade_local.controllers.service_accounts import ServiceAccounts
from crossfade_local.controllers.token_secrets import TokenSecrets

DEPLOYMENT_EVENTS: Final = "deployment-controller"
REPLICA_SET_EVENTS: Final = "replicaset-controller"
JOB_EVENTS: Final = "job-controller"


async def run_controllers(client: Client) -> None:
    """Until cancelled; survives restarts and outages of the server."""
    informers = Informers(client)
    deployment_events = EventRecorder(client, DEPLOYMENT_EVENTS)
    replica_set_events = EventRecorder(client, REPLICA_SET_EVENTS)
    job_events = EventRecorder(client, JOB_EVENTS)
    workloads: list[Reconciler[Any]] = [
        Deployments(client, informers, deployment_events).reconciler,
        ReplicaSets(client, informers, replica_set_events).reconciler,
        Jobs(client, informers, job_events).reconciler,
        Endpoints(client, informers).reconciler,
        EndpointsMirror(client, informers).reconciler,
        ServiceAccounts(client, informers).reconciler,
        TokenSecrets(client, informers).reconciler,
        LostPods(client, informers).reconciler,
    ]
    served = ServedResources(client, informers)
    of_everything: list[Reconciler[Any]] = [
        GarbageCollector(client, informers, served).reconciler,
        Namespaces(client, informers, served).reconciler,
    ]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informers.run(), name="informers")
        tasks.create_task(deployment_events.run(), name="deployment events")
        tasks.create_task(replica_set_events.run(), name="replicaset events")
        tasks.create_task(job_events.run(), name="job events")
        # Acting on half the truth would create what exists already.
        await informers.synced()
        for reconciler in workloads:
            tasks.create_task(reconciler.run(), name=reconciler.name)
        tasks.create_task(served.reconciler.run(), name=served.reconciler.name)
        await served.start()
        for reconciler in of_everything:
            tasks.create_task(reconciler.run(), name=reconciler.name)
