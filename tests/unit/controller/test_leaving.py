"""A controller whose pod ends goes on answering webhooks until they are called elsewhere."""

import asyncio

import aiohttp
import pytest

from crossfade.admission.review import AdmissionAnswer, AdmissionRequest
from crossfade.admission.server import admission_server
from crossfade.controller.health import health_server
from crossfade.controller.leaving import Leaving

REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
ASKED = {"uid": "u", "operation": "CREATE", "namespace": "n", "kind": {"kind": "Pod"}, "object": {"metadata": {}}}


async def allow(_: AdmissionRequest) -> AdmissionAnswer:
    return AdmissionAnswer()


async def test_connections_are_kept_until_the_pod_ends() -> None:
    slept, waiting = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == 7
        slept.set()
        await waiting.wait()

    now = 100.0
    leaving = Leaving(now=lambda: now, sleep=sleep)
    async with (
        health_server(host="127.0.0.1", port=0, waits_for=lambda: "", leaving=leaving) as health,
        admission_server(
            {"/a": allow}, host="127.0.0.1", port=0, tls=None, is_leaving=leaving.is_under_way
        ) as webhooks,
        aiohttp.ClientSession() as http,
    ):

        async def connection() -> str:
            async with http.post(f"http://127.0.0.1:{webhooks}/a", json={**REVIEW, "request": ASKED}) as answer:
                assert answer.status == 200
                return answer.headers.get("Connection", "keep-alive")

        assert await connection() == "keep-alive"
        asked = asyncio.ensure_future(http.get(f"http://127.0.0.1:{health}/drain?seconds=7"))
        await slept.wait()
        assert await connection() == "close"
        waiting.set()
        assert (await asked).status == 200
        assert await connection() == "close"
        # The pod stays after all: somebody else asked.
        now += 12
        assert await connection() == "keep-alive"


@pytest.mark.parametrize("text", ["", "61", "-1", "1.5", "x", "9" * 5000])
async def test_nobody_waits_longer_than_a_minute(text: str) -> None:
    leaving = Leaving()
    async with (
        health_server(host="127.0.0.1", port=0, waits_for=lambda: "", leaving=leaving) as health,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{health}/drain", params={"seconds": text}) as answer,
    ):
        assert answer.status == 400
        assert not leaving.is_under_way()
