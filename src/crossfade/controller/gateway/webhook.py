"""The gateway's admission webhook: its keys in a Secret that all replicas share, its authority in the registration."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade.admission.kong import kong_handlers
from crossfade.admission.server import AdmissionTally, admission_server
from crossfade.certs.ca import KeyPair
from crossfade.certs.issuer import ServerCertificates
from crossfade.certs.key_files import load_into
from crossfade.controller.gateway.settings import WebhookSettings
from crossfade.controller.mounted_certificate import MountedCertificate
from crossfade.controller.registrations import Registrations
from crossfade.controller.secret_certificates import announce, load_or_renew
from crossfade.store.snapshot import Snapshot
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.resources import VALIDATING_WEBHOOK_CONFIGURATION
from crossfade_kube.tasks import SupervisedTasks

_CHECK_S: Final = 60.0
# While it is not installed: soon at first, since it is applied together with the gateway; then seldom.
_NOT_INSTALLED_CHECK_S: Final = (0.5, 15.0)

log = EventLog("crossfade.gateway")


async def serve_webhook(
    client: Client,
    settings: WebhookSettings,
    snapshot: Callable[[], Snapshot],
    ingress_class: str,
    tally: AdmissionTally | None = None,
    on_certificate: Callable[[KeyPair], None] = lambda _: None,
    is_leaving: Callable[[], bool] = bool,
) -> None:
    """Until cancelled. Looks every minute, and when the registration changes, whether something must be renewed.

    `on_certificate` is told of each that is served from then on. No connection is kept while it `is_leaving`.
    """
    handlers = kong_handlers(snapshot, ingress_class)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if settings.files is not None:
        mounted = MountedCertificate(settings.files, context, on_certificate)
        async with admission_server(
            handlers, host="0.0.0.0", port=settings.port, tls=context, tally=tally, is_leaving=is_leaving
        ):
            await mounted.run()
    certificates = await _certificates(client, settings)
    load_into(context, certificates.server)
    on_certificate(certificates.server)
    registrations = Registrations(client, [(VALIDATING_WEBHOOK_CONFIGURATION, settings.configuration)], log=log)

    async def keep_registered() -> None:
        known, missing = certificates, Backoff(*_NOT_INSTALLED_CHECK_S)
        while True:
            if await _register(client, settings, known.authority):
                missing.reset()
                await registrations.changed(within_s=_CHECK_S)
            else:
                await registrations.changed(within_s=missing.next_s())
            known = await _certificates(client, settings, known)
            load_into(context, known.server)
            on_certificate(known.server)

    async with (
        admission_server(handlers, host="0.0.0.0", port=settings.port, tls=context, tally=tally, is_leaving=is_leaving),
        SupervisedTasks(log) as tasks,
    ):
        tasks.start("watch the webhook", registrations.run)
        tasks.start("keep the webhook registered", keep_registered)


async def _certificates(
    client: Client, settings: WebhookSettings, known: ServerCertificates | None = None
) -> ServerCertificates:
    namespace, name = settings.service
    names = (f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local")
    return await load_or_renew(
        client, settings.service, names, common_name="Crossfade gateway webhook", now=datetime.now(UTC), known=known
    )


async def _register(client: Client, settings: WebhookSettings, authority: KeyPair) -> bool:
    """False while the webhook is not installed."""
    try:
        await announce(client, VALIDATING_WEBHOOK_CONFIGURATION, settings.configuration, authority)
    except NotFound:
        return False
    return True
