"""The HTTPS calls to admission webhooks: by URL, or by a Service that is resolved to a ready endpoint here."""

import base64
import binascii
import random
import ssl
from functools import lru_cache
from typing import Any, Final

import aiohttp
import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.storage import Storage

_DEFAULT_TIMEOUT_S: Final = 10
_QUOTED_BYTES: Final = 2048
# Bundles change whenever their certificates do.
_CONTEXTS: Final = 64


class CallError(Exception):
    """The webhook could not be asked, or did not answer with success; the message is Kubernetes'."""


class WebhookClient:
    """One HTTP session; connections are kept open between calls."""

    def __init__(self, storage: Storage) -> None:
        self._storage: Final = storage
        self._session: aiohttp.ClientSession | None = None

    async def call(self, webhook: JsonObject, review: JsonObject) -> Any:
        """The decoded answer; raises CallError."""
        config = webhook["clientConfig"]
        timeout_s = webhook.get("timeoutSeconds") or _DEFAULT_TIMEOUT_S
        url, server_name, shown = self._address(config, timeout_s)
        try:
            async with self._http().post(
                url,
                data=orjson.dumps(review),
                headers={"Content-Type": "application/json", "Accept": "application/json, */*"},
                ssl=_context(config.get("caBundle", "")),
                server_hostname=server_name,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except TimeoutError:
            raise CallError(f'failed to call webhook: Post "{shown}": context deadline exceeded') from None
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            raise CallError(f'failed to call webhook: Post "{shown}": {_reason(error)}') from error
        if response.status >= 400:
            raise CallError(f"failed to call webhook: {_http_failure(response.status, body)}")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise CallError(f"failed to call webhook: couldn't decode the answer: {error}") from error

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False))
        return self._session

    def _address(self, config: JsonObject, timeout_s: int) -> tuple[str, str | None, str]:
        """URL to connect to, name to check the certificate for (None: the URL's), and URL for messages."""
        if config.get("url"):
            url = str(config["url"])
            joint = "&" if "?" in url else "?"
            return url, None, f"{url}{joint}timeout={timeout_s}s"
        service = config["service"]
        host = f"{service['name']}.{service['namespace']}.svc"
        path = service.get("path") or "/"
        port = service.get("port", 443)
        address = self._endpoint(service["namespace"], service["name"], port)
        return f"https://{address}{path}", host, f"https://{host}:{port}{path}?timeout={timeout_s}s"

    def _endpoint(self, namespace: str, name: str, port: int) -> str:
        """`ADDRESS:PORT` of a ready endpoint of a Service's port; raises CallError."""
        stored = self._storage.get("/services", namespace, name)
        if stored is None:
            raise CallError(f'failed to call webhook: service "{name}" not found')
        ports = stored.object["spec"].get("ports") or ()
        port_name = next((item.get("name", "") for item in ports if item["port"] == port), None)
        if port_name is None:
            raise CallError(f'failed to call webhook: service "{name}" has no port {port}')
        found = []
        for item in self._storage.scan("discovery.k8s.io/endpointslices", namespace):
            slice_ = item.object
            if (slice_["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != name:
                continue
            numbers = [
                entry.get("port") for entry in slice_.get("ports") or () if (entry.get("name") or "") == port_name
            ]
            for endpoint in slice_.get("endpoints") or ():
                if numbers and (endpoint.get("conditions") or {}).get("ready") is not False:
                    found += [f"{address}:{numbers[0]}" for address in endpoint["addresses"]]
        if not found:
            raise CallError(f'failed to call webhook: no endpoints available for service "{name}"')
        return random.choice(found)  # noqa: S311 - spreading load

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


@lru_cache(maxsize=_CONTEXTS)
def _context(bundle: str) -> ssl.SSLContext:
    """Raises CallError."""
    try:
        pem = base64.b64decode(bundle).decode() if bundle else None
        return ssl.create_default_context(cadata=pem)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
        raise CallError(f"failed to call webhook: unable to load root certificates: {error}") from error


def _reason(error: BaseException) -> str:
    certificate = getattr(error, "certificate_error", None)
    if certificate is not None or isinstance(error, ssl.SSLError):
        return f"tls: failed to verify certificate: {certificate or error}"
    inner = getattr(error, "os_error", None)
    host, port = getattr(error, "host", None), getattr(error, "port", None)
    if inner is not None and host:
        return f"dial tcp {host}:{port}: connect: {str(inner.strerror or inner).lower()}"
    return str(error) or type(error).__name__


def _http_failure(code: int, body: bytes) -> str:
    text = body[:_QUOTED_BYTES].decode(errors="replace").strip()
    if code >= 500:
        return f'an error on the server ("{text}") has prevented the request from succeeding'
    if code == 404:
        return "the server could not find the requested resource"
    if code in (401, 403):
        return {401: "the server has asked for the client to provide credentials", 403: "forbidden"}[code]
    return f"the server rejected our request for an unknown reason ({code}): {text}"
