"""Panva's oidc-provider on loopback: an OpenID provider that others have written, with everything that browsers meet.

It needs node and npm. Its packages are those of `tests/oidc_provider/package-lock.json`; once here, they are kept below
`target`.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import pytest

_HERE: Final = Path(__file__).parents[1] / "oidc_provider"
_KEPT: Final = Path(__file__).parents[2] / "target" / "oidc-provider"
INSTALL_WITHIN_S: Final = 300.0
START_WITHIN_S: Final = 30.0


class OidcProvider:
    """`url` is its issuer. A client's secret is `secret of <id>: %+&=`, a user's password `password of <name>`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.url: str = json.loads(process.stdout.readline())["url"]

    def change(self, **state: Any) -> None:
        """`account`, `denies`, `accessTokenSeconds`, `padding` of access tokens; other `keys`: a new key."""
        self._test(json.dumps(state).encode())

    def asked(self, path: str) -> int:
        """How often something was asked for, by path."""
        return int(self._test(None).get(path, 0))

    def token_of(self, client: str, scope: str = "email") -> str:
        """An access token by the client's own credentials."""
        form = {"grant_type": "client_credentials", "scope": scope}
        login = b64encode(f"{quote_plus(client)}:{quote_plus(secret_of(client))}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/token", urlencode(form).encode(), {"Authorization": f"Basic {login}"}
        )
        with urllib.request.urlopen(request, timeout=START_WITHIN_S) as response:
            return str(json.loads(response.read())["access_token"])

    def _test(self, body: bytes | None) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/test", body, timeout=START_WITHIN_S) as response:
            return json.loads(response.read())


def secret_of(client: str) -> str:
    return f"secret of {client}: %+&="


@contextmanager
def oidc_provider(*callbacks: str) -> Iterator[OidcProvider]:
    """`callbacks` are where it may send browsers. Skips the test where it cannot be run."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not here, in which the OpenID provider is written")
    server = _installed(npm) / "server.mjs"
    process = subprocess.Popen(
        [node, str(server), *callbacks], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield OidcProvider(process)
    finally:
        process.kill()
        process.wait(START_WITHIN_S)
        if process.stdout is not None:
            process.stdout.close()


def _installed(npm: str) -> Path:
    """Once for all who have the same lock; several may want it at the same time."""
    lock = (_HERE / "package-lock.json").read_bytes()
    folder = _KEPT / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json", "server.mjs"):
            shutil.copyfile(_HERE / name, folder / name)
        if not (folder / "done").exists():
            command = [npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_WITHIN_S
            )
            assert done.returncode == 0, f"npm cannot install the OpenID provider: {done.stderr}"
            (folder / "done").touch()
    return folder
