"""Certificates that App Mesh's chart has made and mounted."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crossfade.controller.mesh.mounted_certificates import CARRIED_S, MountedCertificates, is_mounted
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
    (tmp_path / "tls.key").write_text("half of it")
    await mounted.refresh()
    assert mounted.authority_pem == first, "what cannot serve is not taken"
    await mounted.announce()


class Times:
    def __init__(self) -> None:
        self.passed_s = 0.0
        self.now = datetime.now(UTC)


async def test_another_authority_is_shown_to_sidecars_when_they_know_it(tmp_path: Path) -> None:
    def seen() -> tuple[list[str], str, str]:
        """Trusted, shown by webhooks, by ADS."""
        trusted = re.findall(r"-----BEGIN.*?END CERTIFICATE-----\n", mounted.authority_pem, re.DOTALL)
        served = mounted.served
        assert served is not None
        return trusted, served.certificate_pem.decode(), mounted.server_pair().chain_pem.decode()

    times = Times()
    first = write(tmp_path)
    mounted = MountedCertificates(tmp_path, tls=WebhookTls(), clock=lambda: times.passed_s, now=lambda: times.now)
    assert seen() == ([first], first, first)
    second = write(tmp_path)
    await mounted.refresh()
    assert seen() == ([second, first], second, first)
    times.passed_s += CARRIED_S / 2
    third = write(tmp_path)
    await mounted.refresh()
    assert seen() == ([third, first], third, first), "nobody may know the second yet"
    times.passed_s += CARRIED_S
    assert seen() == ([third], third, third)
    fourth = write(tmp_path)
    await mounted.refresh()
    assert seen() == ([fourth, third], fourth, third)
    times.now += timedelta(days=3650)
    assert seen() == ([fourth], fourth, fourth), "what has ended serves nobody"


async def test_a_renewed_certificate_of_the_same_authority_is_shown_at_once(tmp_path: Path) -> None:
    first = write(tmp_path)
    mounted = MountedCertificates(tmp_path, tls=WebhookTls())
    second = write(tmp_path)
    (tmp_path / "ca.crt").write_text(first)
    await mounted.refresh()
    assert mounted.authority_pem == first
    assert mounted.server_pair().chain_pem.decode() == second


@pytest.mark.parametrize(
    ("broken", "text"), [("tls.key", "cannot be used"), ("tls.crt", "cannot be used"), (None, "names no Service")]
)
def test_what_cannot_serve_ends_the_start(tmp_path: Path, broken: str | None, text: str) -> None:
    write(tmp_path, SERVICE if broken else "localhost")
    if broken:
        (tmp_path / broken).write_text("none")
    with pytest.raises(ConfigError, match=text):
        MountedCertificates(tmp_path, tls=WebhookTls())
