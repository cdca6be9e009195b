"""Certificates that App Mesh's chart has made and mounted."""

from pathlib import Path

import pytest

from crossfade.controller.mesh.mounted_certificates import MountedCertificates, is_mounted
from crossfade.controller.mesh.webhook_tls import WebhookTls
from crossfade_kube.errors import ConfigError
from tests.support.certificates import self_signed

SERVICE = "appmesh-controller-webhook-service.appmesh-system.svc"


def write(folder: Path, name: str = SERVICE) -> str:
    pair = self_signed(name)
    for file, text in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", pair.certificate)):
        (folder / file).write_text(text)
    return pair.certificate


async def test_they_serve_webhooks_and_ads(tmp_path: Path) -> None:
    assert not is_mounted(tmp_path)
    first = write(tmp_path)
    assert is_mounted(tmp_path)
    mounted = MountedCertificates(tmp_path, tls=WebhookTls())
    assert mounted.ads_address == f"{SERVICE}:443"
    assert mounted.authority_pem == first
    second = write(tmp_path)
    await mounted.refresh()
    assert mounted.authority_pem == second
    assert mounted.server_pair().chain_pem.decode() == second
    (tmp_path / "tls.key").write_text("half of it")
    await mounted.refresh()
    assert mounted.authority_pem == second, "what cannot serve is not taken"
    await mounted.announce()


@pytest.mark.parametrize(
    ("broken", "text"), [("tls.key", "cannot be used"), ("tls.crt", "cannot be used"), (None, "names no Service")]
)
def test_what_cannot_serve_ends_the_start(tmp_path: Path, broken: str | None, text: str) -> None:
    write(tmp_path, SERVICE if broken else "localhost")
    if broken:
        (tmp_path / broken).write_text("none")
    with pytest.raises(ConfigError, match=text):
        MountedCertificates(tmp_path, tls=WebhookTls())
