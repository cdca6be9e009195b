"""TLS between two sidecars: App Mesh's objects, compiled, in two real Envoys (appmesh.md §3.8)."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.envoy import backend, until
from tests.support.mesh_envoy import mesh_gateway
from tests.support.mesh_tls import (
    BODY,
    CLIENT,
    HOST,
    SERVER,
    SPIFFE,
    Pairs,
    TwoSidecars,
    acm_secret,
    running_agent,
    two_sidecars,
)

pytestmark = pytest.mark.envoy
ARN = "arn:aws:acm:us-west-2:123456789012:certificate/1"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[TwoSidecars]:
    async with two_sidecars(tmp_path) as found:
        yield found


async def test_a_strict_listener_takes_tls_and_nothing_else(pair: TwoSidecars) -> None:
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("server")}, pair.pairs.policy())
    await pair.until_client(200)
    assert await pair.over_tls() == (200, "server")
    assert await pair.plain() == 0


async def test_openssl_is_accepted_by_a_strict_listener_and_told_of_the_certificate(pair: TwoSidecars) -> None:
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("server")})
    await pair.until_tls(200)
    command = ["openssl", "s_client", "-connect", f"{SERVER}:{pair.port}", "-CAfile", f"{pair.pairs.folder}/ca.pem"]
    done = await asyncio.to_thread(
        subprocess.run, [*command, "-verify_return_error"], input="", capture_output=True, text=True, check=False
    )
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "CN = server" in done.stdout or "CN=server" in done.stdout


async def test_a_permissive_listener_takes_both(pair: TwoSidecars) -> None:
    pair.publish({"mode": "PERMISSIVE", "certificate": pair.pairs.file("server")}, pair.pairs.policy())
    await pair.until_client(200)
    assert await pair.over_tls() == (200, "server")
    assert await pair.plain() == 200


async def test_clients_without_a_policy_speak_tls_where_it_is_offered_and_check_nothing(pair: TwoSidecars) -> None:
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("stranger")})
    await pair.until_client(200)


async def test_a_server_of_another_authority_is_not_spoken_to(pair: TwoSidecars) -> None:
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("server")}, pair.pairs.policy())
    await pair.until_client(200)
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("stranger")}, pair.pairs.policy())
    await pair.until_client(503)


@pytest.mark.parametrize(("names", "status"), [([HOST], 200), (["other.example.com", HOST], 200), (["other"], 503)])
async def test_the_server_must_have_one_of_the_names(pair: TwoSidecars, names: list[str], status: int) -> None:
    validation = {"trust": pair.pairs.trust, "subjectAlternativeNames": {"match": {"exact": names}}}
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("server")}, {"tls": {"validation": validation}})
    await pair.until_tls(200)
    await pair.until_client(status)


async def test_an_enforced_policy_sends_nothing_in_plain_text(pair: TwoSidecars) -> None:
    pair.publish(None, pair.pairs.policy(enforce=False))
    await pair.until_client(200)
    pair.publish(None, pair.pairs.policy())
    await pair.until_client(503)
    pair.publish(None, pair.pairs.policy(ports=[1]))
    await pair.until_client(200)


async def test_with_a_validation_clients_must_show_a_certificate(pair: TwoSidecars) -> None:
    tls = {
        "mode": "STRICT",
        "certificate": pair.pairs.file("server"),
        "validation": {
            "trust": pair.pairs.trust,
            "subjectAlternativeNames": {"match": {"exact": [SPIFFE]}},
        },
    }
    pair.publish(tls, pair.pairs.policy(certificate=pair.pairs.file("client")))
    await pair.until_client(200)
    assert await pair.over_tls("client") == (200, "server")
    for shown in ("", "stranger", "server"):
        assert await pair.over_tls(shown) == (0, "")
    pair.publish(tls, pair.pairs.policy())
    await pair.until_client(503)


async def test_a_renewed_certificate_is_taken_over_and_no_connection_is_lost(pair: TwoSidecars) -> None:
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("server")}, pair.pairs.policy())
    await pair.until_client(200)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        kept = f"http://{CLIENT}:{pair.port}/"
        async with http.get(kept, headers={"Host": HOST}) as answer:
            assert await answer.text() == BODY
        pair.pairs.renew_server()
        await pair.until_tls(200, "renewed")
        async with http.get(kept, headers={"Host": HOST}) as answer:
            assert await answer.text() == BODY
    assert await pair.through_client() == 200


async def test_a_missing_file_costs_its_listener_only(pair: TwoSidecars) -> None:
    missing = {"file": {"certificateChain": "/nowhere/a.pem", "privateKey": "/nowhere/b.pem"}}
    good = {"mode": "STRICT", "certificate": pair.pairs.file("server")}
    pair.publish(good, pair.pairs.policy(), other={"mode": "STRICT", "certificate": missing})
    await pair.until_client(200)
    assert await pair.over_tls(port=pair.other_port) == (0, "")

    async def is_told() -> bool:
        return bool(pair.server.rejections)

    await until(is_told)
    assert [one.rejected.name for one in pair.server.rejections] == ["certificate /nowhere/a.pem /nowhere/b.pem"]
    assert await pair.through_client() == 200


async def test_a_secret_stands_for_a_certificate_of_acm(pair: TwoSidecars) -> None:
    pair.objects = [acm_secret(pair.pairs.server, pair.pairs.authority, ARN)]
    tls = {"mode": "STRICT", "certificate": {"acm": {"certificateARN": ARN}}}
    validation = {"trust": {"acm": {"certificateAuthorityARNs": [ARN]}}}
    pair.publish(tls, {"tls": {"validation": validation}})
    await pair.until_client(200)
    renewed = pair.pairs.renew_server()
    pair.objects = [acm_secret(renewed, pair.pairs.authority, ARN)]
    pair.publish(tls)
    await pair.until_tls(200, "renewed")
    await pair.until_client(200)


async def test_of_what_acm_issued_the_authority_is_known_without_a_policy(pair: TwoSidecars) -> None:
    pair.publish({"mode": "STRICT", "certificate": pair.pairs.file("stranger")})
    await pair.until_client(200)
    pair.objects = [acm_secret(pair.pairs.stranger, pair.pairs.authority, ARN)]
    pair.publish({"mode": "STRICT", "certificate": {"acm": {"certificateARN": ARN}}})
    await pair.until_client(503)


async def test_an_agent_on_the_node_gives_certificates(tmp_path: Path) -> None:
    socket = tmp_path / "agent.sock"
    async with two_sidecars(tmp_path, sds_socket=str(socket)) as pair, running_agent(socket, pair.pairs):
        trust = {"trust": {"sds": {"secretName": "trusted"}}}
        tls = {"mode": "STRICT", "certificate": {"sds": {"secretName": "server"}}, "validation": trust}
        pair.publish(tls, {"tls": {"certificate": {"sds": {"secretName": "client"}}, "validation": trust}})
        await pair.until_client(200)
        assert await pair.over_tls("client") == (200, "server")
        assert await pair.over_tls("stranger") == (0, "")


async def test_a_gateway_takes_tls_and_its_policy_holds_for_what_it_calls(tmp_path: Path) -> None:
    pairs = Pairs(tmp_path / "pairs")
    async with backend("app") as app, mesh_gateway(tmp_path) as gateway:
        await gateway.start()
        mapping = {"port": gateway.port, "protocol": "http"}
        listeners = [{"portMapping": mapping, "tls": {"mode": "PERMISSIVE", "certificate": pairs.file("server")}}]
        gateway.put_gateway(listeners=listeners)
        gateway.put_service("jazz", app.port)
        await gateway.until("/jazz", "app")
        strict = [{"portMapping": mapping, "tls": {"mode": "STRICT", "certificate": pairs.file("server")}}]
        gateway.put_gateway(listeners=strict)
        await gateway.until("/jazz", status=0)
        context = ssl.create_default_context(cadata=pairs.authority.certificate_pem.decode())

        async def is_answered(status: int) -> bool:
            url = f"https://127.0.0.1:{gateway.port}/jazz"
            async with aiohttp.ClientSession() as http, http.get(url, ssl=context) as answer:
                return answer.status == status

        await until(lambda: is_answered(200))
        gateway.put_gateway(listeners=strict, backendDefaults={"clientPolicy": pairs.policy()})
        # The application has no TLS, which the policy demands.
        await until(lambda: is_answered(503))
