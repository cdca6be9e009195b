"""A webhook's certificate that a chart has mounted."""

import asyncio
import ssl
from pathlib import Path

import pytest

from crossfade.certs.ca import KeyPair
from crossfade.controller import mounted_certificate
from crossfade.controller.mounted_certificate import CertificateFiles, MountedCertificate, mounted_files
from tests.support.certificates import self_signed
from tests.support.waiting import eventually


def write(folder: Path, name: str) -> KeyPair:
    pair = self_signed(name)
    (folder / "tls.crt").write_text(pair.certificate)
    (folder / "tls.key").write_text(pair.key)
    return KeyPair(pair.certificate.encode(), pair.key.encode())


def files_in(folder: Path) -> CertificateFiles | None:
    return mounted_files(str(folder / "tls.crt"), str(folder / "tls.key"))


def test_both_files_are_needed(tmp_path: Path) -> None:
    assert files_in(tmp_path) is None
    write(tmp_path, "a")
    assert files_in(tmp_path) == CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    (tmp_path / "tls.key").unlink()
    assert files_in(tmp_path) is None


async def test_it_is_read_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounted_certificate, "CHECK_S", 0.01)
    loaded = []
    first = write(tmp_path, "a")
    files = files_in(tmp_path)
    assert files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mounted = MountedCertificate(files, context, loaded.append)
    assert loaded == [first]
    running = asyncio.create_task(mounted.run())
    try:
        (tmp_path / "tls.crt").write_text("half of it")
        await asyncio.sleep(0.05)
        assert loaded == [first], "what does not fit together is not taken"
        second = write(tmp_path, "b")
        await eventually(lambda: loaded == [first, second])
        (tmp_path / "tls.key").unlink()
        await asyncio.sleep(0.05)
        third = write(tmp_path, "c")
        await eventually(lambda: loaded == [first, second, third])
    finally:
        running.cancel()


def test_a_pair_that_cannot_serve_ends_the_start(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / "tls.key").write_text("none")
    files = files_in(tmp_path)
    assert files
    with pytest.raises(ssl.SSLError):
        MountedCertificate(files, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
