"""`python -m tests.local.compat.validation URL TOKEN` records what a Kubernetes answers, of which an API server without
controllers is enough; nothing is left stored in it but a namespace.

Without arguments: notes which answers of the embedded cluster are others.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from tests.local.compat.validation.asking import prepare, verdicts
from tests.local.compat.validation.changes import cases
from tests.local.compat.validation.recorded import note_different, record
from tests.support.api_process import ApiProcess

Json = dict[str, Any]


async def ask_kubernetes(url: str, token: str) -> None:
    connector = aiohttp.TCPConnector(ssl=False)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:

        async def post(path: str, body: Json) -> tuple[int, Json]:
            async with session.post(path, json=body) as response:
                return response.status, await response.json(content_type=None)

        await prepare(post)
        found = await verdicts(post, cases())
    record(found)
    print(f"{len(found)} cases", file=sys.stderr)


async def ask_the_embedded_cluster() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = ApiProcess(Path(folder) / "data", "--kubelet-socket", f"{folder}/kubelet.sock")
        client = await server.start()

        async def post(path: str, body: Json) -> tuple[int, Json]:
            return await client.send("POST", path, body)

        await prepare(post)
        found = await verdicts(post, cases())
        await client.close()
        await server.stop()
    print(f"{note_different(found)} of {len(found)} are different", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(ask_kubernetes(*sys.argv[1:]) if sys.argv[1:] else ask_the_embedded_cluster())
