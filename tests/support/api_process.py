"""An API server in a process of its own, and a plain HTTP client for it."""

import asyncio
import base64
import io
import json
import os
import resource
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]


class ApiClient:
    """Speaks to one server as its administrator, or (`token`) as a service account."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url: str = cluster["server"]
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        self.anonymous_context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        pem = kubeconfig.parent / "client.pem"
        pem.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        self.context.load_cert_chain(pem)
        self.session = aiohttp.ClientSession(self.url)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content_type: str = "",
        accept: str = "application/json",
    ) -> tuple[int, Any]:
        """Status and decoded answer."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type or "application/json"
        context = self.context
        if token is not None:
            context = self.anonymous_context
            headers["Authorization"] = f"Bearer {token}"
        text = body if isinstance(body, str) else json.dumps(body)
        # A file, since aiohttp warns of a large text.
        data = None if body is None else io.BytesIO(text.encode())
        async with self.session.request(method, path, data=data, headers=headers, ssl=context) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def create(self, path: str, body: Json) -> Json:
        status, answer = await self.send("POST", path, body)
        assert status == 201, answer
        return dict(answer)

    async def merge(self, path: str, body: Json) -> Json:
        status, answer = await self.send("PATCH", path, body, content_type="application/merge-patch+json")
        assert status == 200, answer
        return dict(answer)

    async def get(self, path: str) -> Json:
        status, answer = await self.send("GET", path)
        assert status == 200, answer
        return dict(answer)

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[Json]]:
        async with self.session.get(path, ssl=self.context) as response:
            assert response.status == 200, await response.text()

            async def events() -> AsyncIterator[Json]:
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield json.loads(line)

            yield events()

    async def close(self) -> None:
        await self.session.close()
        # TLS connections say goodbye after the session has let go of them.
        await asyncio.sleep(0.05)


class ApiProcess:
    """A server over a data directory; may be killed and started again."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> ApiClient:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "crossfade_local.apiserver",
            "--data-dir",
            str(self.data_dir),
            *self._arguments,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"
        return ApiClient(self.data_dir / "kubeconfig")

    def cpu_s(self) -> float:
        """Time on a processor since its start, to 10 ms."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.communicate()

    @contextmanager
    def no_space_left(self) -> Iterator[None]:
        """Meanwhile no file of the server may grow beyond what the state's journal holds now."""
        assert self._process is not None
        pid, journal = self._process.pid, self.data_dir / "state.db-wal"
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (journal.stat().st_size, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
