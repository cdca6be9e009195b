import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crossfade.admission.review import AdmissionAnswer, AdmissionRequest, Denied
from crossfade.admission.server import admission_server
from crossfade.certs.ca import create_authority
from crossfade.certs.issuer import issue_server_certificate


def review(name: str) -> dict[str, Any]:
    return {"request": {"uid": "u", "kind": {"kind": "Mesh"}, "operation": "CREATE", "name": name, "object": {}}}


async def handler(request: AdmissionRequest) -> AdmissionAnswer:
    if request.name == "bad":
        raise Denied("bad is refused")
    if request.name == "broken":
        raise RuntimeError("a bug")
    return AdmissionAnswer(warnings=["look out"])


async def test_handlers_answer_by_path() -> None:
    async with (
        admission_server({"/check": handler}, host="127.0.0.1", port=0, tls=None) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        good = await (await session.post("/check", json=review("good"))).json()
        bad = await (await session.post("/check", json=review("bad"))).json()
        assert good["response"] == {"uid": "u", "allowed": True, "warnings": ["look out"]}
        assert bad["response"]["status"]["message"] == "bad is refused"
        assert (await session.post("/check", json=review("broken"))).status == 500
        assert (await session.post("/check", data=b"no json")).status == 400
        assert (await session.post("/other", json=review("good"))).status == 404


async def test_it_serves_tls_with_an_issued_certificate(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = create_authority("test", now=now)
    pair = issue_server_certificate(authority, ["localhost"], now=now)
    (tmp_path / "server.pem").write_bytes(pair.certificate_pem + pair.key_pem)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(tmp_path / "server.pem")
    client_tls = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    async with (
        admission_server({"/check": handler}, host="127.0.0.1", port=0, tls=server_tls) as port,
        aiohttp.ClientSession() as session,
    ):
        url = f"https://127.0.0.1:{port}/check"
        answer = await session.post(url, json=review("good"), ssl=client_tls, server_hostname="localhost")
        assert (await answer.json())["response"]["allowed"]
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.post(url, json=review("good"), ssl=client_tls, server_hostname="other")
