"""The certificate of webhooks that a chart has made and mounted: read again when the kubelet has renewed it."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from crossfade.certs.ca import KeyPair
from crossfade.certs.key_files import load_into
from crossfade_kube.logging import EventLog

CHECK_S: Final = 2.0

log = EventLog("crossfade.webhook")


class CertificateFiles(NamedTuple):
    certificate: Path
    key: Path


def mounted_files(certificate: str, key: str) -> CertificateFiles | None:
    """None unless both are there."""
    files = CertificateFiles(Path(certificate), Path(key))
    return files if all(file.is_file() for file in files) else None


class MountedCertificate:
    """Loads the files into `context`, at once and after each change; `on_loaded` is called each time.

    A pair that cannot be read or does not fit together is told, and the one before stays.
    """

    def __init__(
        self, files: CertificateFiles, context: ssl.SSLContext, on_loaded: Callable[[KeyPair], None] = lambda _: None
    ) -> None:
        """Raises OSError or ssl.SSLError where there is no pair that serves."""
        self._files = files
        self._context = context
        self._on_loaded = on_loaded
        self._known = self._read()
        self._load(self._known)

    async def run(self) -> None:
        """Until cancelled."""
        failed: KeyPair | None = None
        while True:
            await asyncio.sleep(CHECK_S)
            pair = None
            try:
                pair = self._read()
                if pair in (self._known, failed):
                    continue
                self._load(pair)
            except (OSError, ssl.SSLError) as exc:
                if pair is not None or failed is None:
                    effect = "the certificate from before is still used"
                    log.warning(
                        "webhook.certificate-unreadable", file=self._files.certificate, reason=exc, effect=effect
                    )
                failed = pair or KeyPair(b"", b"")
            else:
                self._known, failed = pair, None
                log.info("webhook.certificate-reloaded", file=self._files.certificate)

    def _read(self) -> KeyPair:
        return KeyPair(self._files.certificate.read_bytes(), self._files.key.read_bytes())

    def _load(self, pair: KeyPair) -> None:
        load_into(self._context, pair)
        self._on_loaded(pair)
