"""The control plane's part of the plugin acme against a real authority, by a clock of the test's own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crossfade.acme.demands import Demands
from crossfade.acme.news import News
from crossfade.acme.store import Changes, Entries, StoreError
from crossfade.acme.worker import AcmeWorker
from crossfade.compile.gateway.acme import CHALLENGES, Demand
from crossfade.compile.gateway.acme_store import CERTIFICATE, CHALLENGE, FAILURE, Account, Certificate, Failure, decoded
from crossfade.compile.policies.acme.schema import SCHEMA
from crossfade.compile.policies.schema import apply_schema
from crossfade_kube.meta import ObjectRef
from tests.support.pebble import BLOCKED, EAB_KEY, EAB_KID, Pebble, programs, running_pebble
from tests.support.serving import serving

pytestmark = [pytest.mark.timeout(200)]

REF = ObjectRef("configuration.konghq.com/v1", "KongClusterPlugin", "", "acme")
WITHIN_S = 60.0


class MemoryStore:
    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.is_broken = False

    async def read(self) -> Entries:
        if self.is_broken:
            raise StoreError("it is away")
        return dict(self.entries)

    async def write(self, changes: Changes) -> None:
        for key, content in changes.items():
            self.entries.pop(key, None)
            if content is not None:
                self.entries[key] = content

    def certificate(self, host: str) -> x509.Certificate | None:
        found = decoded(self.entries.get(CERTIFICATE + host), Certificate)
        return x509.load_pem_x509_certificate(found.chain.encode()) if found is not None else None

    def failure(self, host: str) -> Failure | None:
        return decoded(self.entries.get(FAILURE + host), Failure)

    def account(self) -> Account:
        (content,) = (content for key, content in self.entries.items() if key.startswith("account."))
        found = decoded(content, Account)
        assert found is not None
        return found


@contextmanager
def answering(store: MemoryStore) -> Iterator[int]:
    """A server that answers challenges with what the store has; gives its port."""

    class Challenges(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = store.entries.get(CHALLENGE + self.path.removeprefix(CHALLENGES))
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Challenges)
    with serving(server):
        yield server.server_address[1]


class World:
    """`later_s` is by how much the worker's clock is ahead; `told` is what it told."""

    def __init__(self, pebble: Pebble, store: MemoryStore) -> None:
        self.pebble = pebble
        self.store = store
        self.later_s = 0.0
        self.told: list[News] = []
        self.demands = Demands()

    def want(self, *hosts: str, **config: Any) -> None:
        given = {"account_email": "ops@a.test", "api_uri": self.pebble.url, "tos_accepted": True, "cert_type": "ecc"}
        filled = apply_schema(SCHEMA, {**given, **config})
        assert filled.problems == {}
        self.demands.put(Demand(REF, filled.config, hosts))

    def pass_time(self, seconds: float) -> None:
        self.later_s += seconds
        self.demands.changed.set()

    def worker(self) -> AcmeWorker:
        return AcmeWorker(
            self.store,
            self.demands,
            is_live=lambda tokens: all(CHALLENGE + token in self.store.entries for token in tokens),
            tell=self.told.append,
            authorities=str(self.pebble.authorities),
            now=lambda: time.time() + self.later_s,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.worker().run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():  # noqa: ASYNC110 - the condition is of another process
                await asyncio.sleep(0.02)

    async def until_told(self, text: str) -> None:
        try:
            await self.until(lambda: any(text in news.text for news in self.told))
        except TimeoutError:
            raise AssertionError(f"nothing of {text!r} in {self.told}") from None


@contextmanager
def world(tmp_path: Path, options: dict[str, object] | None = None) -> Iterator[World]:
    programs()
    store = MemoryStore()
    with answering(store) as port, running_pebble(tmp_path / "pebble", port, options or {}) as pebble:
        yield World(pebble, store)


async def test_certificates_are_issued_and_renewed_with_new_keys(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.want("a.test", "b.test")
        async with all_of_it.working():
            await all_of_it.until(lambda: len(all_of_it.told) == 2)
            assert sorted(news.text for news in all_of_it.told) == [
                "the certificate for a.test was issued",
                "the certificate for b.test was issued",
            ]
            first = all_of_it.store.certificate("a.test")
            assert first is not None
            assert isinstance(first.public_key(), ec.EllipticCurvePublicKey)
            account = all_of_it.store.account()
            assert not any(key.startswith(CHALLENGE) for key in all_of_it.store.entries)
            until_due_s = (first.not_valid_after_utc - first.not_valid_before_utc).total_seconds() - 14 * 86400
            all_of_it.want("a.test", "b.test", cert_type="rsa", rsa_key_size=2048)
            all_of_it.pass_time(until_due_s + 60)
            await all_of_it.until_told("the certificate for a.test was renewed")
            second = all_of_it.store.certificate("a.test")
            assert second is not None
            assert isinstance(second.public_key(), rsa.RSAPublicKey)
            assert all_of_it.store.account() == account


async def test_an_authority_that_is_down_is_asked_again_later(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.pebble.stop()
        all_of_it.want("a.test", fail_backoff_minutes=10)
        async with all_of_it.working():
            await all_of_it.until_told("cannot be reached; next try at ")
        assert all_of_it.told[0].is_failure
        assert all_of_it.told[0].ref == REF
        assert f"no certificate for a.test from {all_of_it.pebble.url}: " in all_of_it.told[0].text
        failure = all_of_it.store.failure("a.test")
        assert failure is not None
        assert 590 < failure.next_try - time.time() <= 600
        all_of_it.pebble.start()
        # Another process keeps to it, whatever else changes.
        all_of_it.want("a.test", "b.test", fail_backoff_minutes=10)
        async with all_of_it.working():
            await all_of_it.until_told("b.test was issued")
            assert all_of_it.store.certificate("a.test") is None
            all_of_it.pass_time(600)
            await all_of_it.until_told("a.test was issued")
        assert all_of_it.store.failure("a.test") is None


async def test_one_refused_host_costs_no_other(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.want(BLOCKED, "a.test")
        async with all_of_it.working():
            await all_of_it.until_told("a.test was issued")
            await all_of_it.until_told(
                f"no certificate for {BLOCKED} from {all_of_it.pebble.url}: rejectedIdentifier: "
            )


async def test_a_challenge_that_nobody_sees_is_told_in_the_authoritys_words(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.want("a.test")
        worker = all_of_it.worker()
        seen = all_of_it.store.write

        async def forgetting(changes: Changes) -> None:
            await seen(
                {key: b"nonsense" if key.startswith(CHALLENGE) and value else value for key, value in changes.items()}
            )

        all_of_it.store.write = forgetting  # type: ignore[method-assign]
        task = asyncio.create_task(worker.run())
        await all_of_it.until_told("unauthorized: ")
        task.cancel()
        await asyncio.wait([task])
        assert not any(key.startswith(CHALLENGE) for key in all_of_it.store.entries)


async def test_an_account_that_the_authority_has_forgotten_is_made_anew(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.want("a.test")
        async with all_of_it.working():
            await all_of_it.until_told("a.test was issued")
            before = all_of_it.store.account()
            all_of_it.pebble.stop()
            all_of_it.pebble.start()
            all_of_it.want("a.test", "b.test")
            await all_of_it.until_told("b.test was issued")
        after = all_of_it.store.account()
        assert after.key == before.key
        assert after.url != before.url


async def test_external_account_binding(tmp_path: Path) -> None:
    options: dict[str, object] = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {EAB_KID: EAB_KEY}}
    with world(tmp_path, options) as all_of_it:
        all_of_it.want("a.test")
        async with all_of_it.working():
            await all_of_it.until_told("externalAccountRequired: ")
            all_of_it.pass_time(600)
            all_of_it.want("a.test", eab_kid=EAB_KID, eab_hmac_key=EAB_KEY)
            await all_of_it.until_told("a.test was issued")
        assert EAB_KEY not in repr(all_of_it.told)


async def test_terms_of_service_are_accepted_by_people(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.want("a.test", tos_accepted=False)
        async with all_of_it.working():
            await all_of_it.until_told("the authority has terms of service (")
        assert not any(key.startswith("account.") for key in all_of_it.store.entries)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
async def test_an_account_with_a_key_of_the_users(tmp_path: Path, key: Any) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with world(tmp_path) as all_of_it:
        all_of_it.want("a.test", account_key={"key_id": pem})
        async with all_of_it.working():
            await all_of_it.until_told("a.test was issued")
        assert all_of_it.store.account().key == pem
        # The same account from another gateway, which knows nothing but the key.
        url = all_of_it.store.account().url
        all_of_it.store.entries.clear()
        async with all_of_it.working():
            await all_of_it.until(lambda: len(all_of_it.told) == 2)
        assert all_of_it.store.account().url == url


async def test_a_chain_can_be_preferred(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        roots = [x509.load_pem_x509_certificate(pem.encode()) for pem in all_of_it.pebble.roots()]
        names = [str(root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value) for root in roots]
        assert len(set(names)) == 2
        for number, name in enumerate(names):
            host = f"host-{number}.test"
            all_of_it.want(host, preferred_chain=name)
            async with all_of_it.working():
                await all_of_it.until_told(f"{host} was issued")
            found = decoded(all_of_it.store.entries[CERTIFICATE + host], Certificate)
            assert found is not None
            last = x509.load_pem_x509_certificates(found.chain.encode())[-1]
            assert last.issuer == roots[number].subject


async def test_what_is_kept_and_cannot_be_used_is_told_and_replaced(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.store.entries |= {f"{CERTIFICATE}a.test": b"moon", f"{CHALLENGE}old": b"old.x"}
        all_of_it.want("a.test")
        async with all_of_it.working():
            await all_of_it.until_told("a.test was issued")
            assert (
                "the certificate that is kept for a.test is replaced: it was not written by" in all_of_it.told[0].text
            )
            assert f"{CHALLENGE}old" not in all_of_it.store.entries
            found = all_of_it.store.certificate("a.test")
            assert found is not None
            all_of_it.pebble.stop()
            all_of_it.pass_time((found.not_valid_after_utc - found.not_valid_before_utc).total_seconds())
            await all_of_it.until_told("the certificate that is kept for a.test is replaced: it expired at")
            await all_of_it.until_told("; the present one expires at ")


async def test_a_store_that_is_away_is_told_and_asked_again(tmp_path: Path) -> None:
    with world(tmp_path) as all_of_it:
        all_of_it.store.is_broken = True
        all_of_it.want("a.test")
        async with all_of_it.working():
            await all_of_it.until_told("certificates cannot be kept, so none is asked for: it is away")
            all_of_it.store.is_broken = False
            await all_of_it.until_told("a.test was issued")
