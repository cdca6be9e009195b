"""Speaks ACME with an authority by certbot's library: an account, orders with the challenge HTTP-01, certificates.

Blocking, and not for two threads at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
from acme import challenges, crypto_util, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from josepy.errors import Error as JoseError
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from crossfade import __version__
from crossfade.acme.settings import AcmeSettings
from crossfade.compile.gateway.acme_store import Account, Certificate
from crossfade.compile.policies.acme.keys import AccountKey, loaded_key

_ANSWER_WITHIN_S: Final = 30
_ISSUE_WITHIN: Final = timedelta(seconds=90)
_MORE_TRIES: Final = 3
_NO_ACCOUNT: Final = ("accountDoesNotExist", "unauthorized")
_ALGORITHMS: Final = {256: ES256, 384: ES384, 521: ES512}
_SHOWN: Final = 600


class AuthorityError(Exception):
    """Why the authority gives no certificate, for people; `retry_after_s` is for how long it wants not to be asked."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason[:_SHOWN])
        self.retry_after_s = retry_after_s


class Challenge(NamedTuple):
    """What must be answered below `/.well-known/acme-challenge/` for the token."""

    token: str
    authorization: str


class _Network(ClientNetwork):
    """The library tries a second time where a nonce is refused, as authorities may at any time (RFC 8555 §6.5)."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_MORE_TRIES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class Authority:
    """Signed in. All raise AuthorityError."""

    def __init__(self, settings: AcmeSettings, account: Account | None, *, authorities: str | None = None) -> None:
        """With `account` the one that is known; a new one where the authority does not know it (any more).

        `authorities` is a file of certificates by which the authority's own is checked; else the system's count.
        """
        self._settings = settings
        self._retry_after_s = 0.0
        key = _account_key(settings, account)
        self._key, algorithm = _jwk(key)
        trusted: Any = authorities or True
        self._net = _Network(
            self._key,
            alg=algorithm,
            verify_ssl=trusted,
            user_agent=f"crossfade/{__version__}",
            timeout=_ANSWER_WITHIN_S,
        )
        self._net.session.hooks["response"].append(self._note_retry_after)
        with self._told():
            self._client = ClientV2(self._directory(), self._net)
            pem = _pem(key)
            known = account is not None and account.key == pem and self._is_known(account.url)
            url = account.url if known and account is not None else self._sign_up()
        self.account: Final = Account(pem, url)

    def order(self, host: str) -> "Order":
        with self._told():
            key = _certificate_key(self._settings)
            found = self._client.new_order(crypto_util.make_csr(key, [host]))
        return Order(self._client, self._key, found, key.decode(), self._settings, self._told)

    def close(self) -> None:
        self._net.session.close()

    def _directory(self) -> messages.Directory:
        """As Kong, which adds `/directory` where that is missing; where nothing is there, the address as it stands."""
        given = self._settings.api_uri
        if given.endswith("/directory"):
            return ClientV2.get_directory(given, self._net)
        try:
            return ClientV2.get_directory(f"{given.removesuffix('/')}/directory", self._net)
        except (errors.ClientError, messages.Error):
            return ClientV2.get_directory(given, self._net)

    def _is_known(self, url: str) -> bool:
        self._net.account = messages.RegistrationResource(uri=url, body=messages.Registration())
        try:
            self._client.query_registration(self._net.account)
        except messages.Error as error:
            if error.code not in _NO_ACCOUNT:
                raise
            self._net.account = None
            return False
        return True

    def _sign_up(self) -> str:
        terms = getattr(self._client.directory.meta, "terms_of_service", None)
        if terms and not self._settings.tos_accepted:
            raise AuthorityError(f"the authority has terms of service ({terms}): read them and set tos_accepted: true")
        registration = messages.NewRegistration.from_data(
            email=self._settings.account_email,
            terms_of_service_agreed=True,
            external_account_binding=self._binding(),
        )
        try:
            made = self._client.new_account(registration)
        except errors.ConflictError as known:
            made = messages.RegistrationResource(uri=known.location, body=messages.Registration())
            self._net.account = made
        return str(made.uri)

    def _binding(self) -> dict[str, Any] | None:
        kid, key = self._settings.eab_kid, self._settings.eab_hmac_key
        if kid is None or key is None:
            return None
        public = self._key.public_key()
        return messages.ExternalAccountBinding.from_data(public, kid, key.rstrip("="), self._client.directory)

    def _note_retry_after(self, response: requests.Response, *_: object, **__: object) -> None:
        if not response.ok:
            until = ClientV2.retry_after(response, 0)
            self._retry_after_s = max((until - datetime.now()).total_seconds(), 0.0)  # noqa: DTZ005 - the library's

    @contextmanager
    def _told(self) -> Iterator[None]:
        self._retry_after_s = 0.0
        try:
            yield
        except (requests.RequestException, errors.Error, messages.Error, JoseError) as error:
            raise AuthorityError(_reason(error, self._settings.api_uri), self._retry_after_s) from error
        except OSError as error:
            # As for a file of authorities that is none; what requests raises is one too, and was told above.
            raise AuthorityError(str(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"the authority's answer cannot be read ({type(error).__name__})"
            raise AuthorityError(text, self._retry_after_s) from error


class Order:
    """For one certificate. First `answer` when the challenges are live, then ask whether it `is_allowed`."""

    def __init__(
        self,
        client: ClientV2,
        key: JWK,
        order: messages.OrderResource,
        certificate_key: str,
        settings: AcmeSettings,
        told: Callable[[], Any],
    ) -> None:
        self._client = client
        self._key = key
        self._order = order
        self._certificate_key = certificate_key
        self._settings = settings
        self._told = told
        waiting = [one for one in order.authorizations if one.body.status == messages.STATUS_PENDING]
        self._bodies = [_http(one) for one in waiting]

    @property
    def challenges(self) -> tuple[Challenge, ...]:
        return tuple(
            Challenge(body.chall.encode("token"), body.chall.key_authorization(self._key)) for body in self._bodies
        )

    def answer(self) -> None:
        with self._told():
            for body in self._bodies:
                self._client.answer_challenge(body, body.chall.response(self._key))

    def is_allowed(self) -> bool:
        """Asks once; False while the authority has not looked yet."""
        with self._told():
            found = [self._client.poll(one)[0] for one in self._order.authorizations]
            refused = [one for one in found if one.body.status not in (messages.STATUS_PENDING, messages.STATUS_VALID)]
            if refused:
                raise errors.ValidationError(refused)
            return all(one.body.status == messages.STATUS_VALID for one in found)

    def certificate(self) -> Certificate:
        """Waits for it for a minute and a half."""
        deadline = datetime.now() + _ISSUE_WITHIN  # noqa: DTZ005 - the library's
        wanted = self._settings.preferred_chain
        with self._told():
            made = self._client.finalize_order(self._order, deadline, fetch_alternative_chains=wanted is not None)
            chains = [made.fullchain_pem, *(made.alternative_fullchains_pem or ())]
            chain = next((one for one in chains if wanted is not None and _root_of(one) == wanted), chains[0])
        return Certificate(chain, self._certificate_key, self._settings.api_uri)


def _http(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    found = next((one for one in authorization.body.challenges if isinstance(one.chall, challenges.HTTP01)), None)
    if found is None:
        raise AuthorityError("the authority wants another proof than HTTP-01 for this name")
    return found


def _root_of(chain: str) -> str:
    """The common name of the authority that the chain leads to."""
    names = x509.load_pem_x509_certificates(chain.encode())[-1].issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _account_key(settings: AcmeSettings, account: Account | None) -> AccountKey:
    given = settings.account_key or (account.key if account is not None else None)
    loaded = loaded_key(given) if given is not None else None
    return loaded if loaded is not None else ec.generate_private_key(ec.SECP256R1())


def _jwk(key: AccountKey) -> tuple[JWK, JWASignature]:
    if isinstance(key, rsa.RSAPrivateKey):
        return JWKRSA(key=key), RS256
    return JWKEC(key=key), _ALGORITHMS[key.key_size]


def _certificate_key(settings: AcmeSettings) -> bytes:
    if settings.cert_type == "ecc":
        return _pem(ec.generate_private_key(ec.SECP256R1())).encode()
    return _pem(rsa.generate_private_key(public_exponent=65537, key_size=settings.rsa_key_size)).encode()


def _pem(key: AccountKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _reason(error: Exception, api_uri: str) -> str:
    """Without keys, tokens or the library's own way of speaking."""
    where = urlsplit(api_uri).netloc
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {where} cannot be trusted"
    if isinstance(error, requests.Timeout):
        return f"{where} does not answer in time"
    if isinstance(error, requests.RequestException):
        return f"{where} cannot be reached"
    if isinstance(error, errors.ValidationError):
        found = [one.error for each in error.failed_authzrs for one in each.body.challenges if one.error is not None]
        return "; ".join(map(_problem, found)) or "the authority could not see that the host is served here"
    if isinstance(error, errors.IssuanceError):
        return _problem(error.error)
    if isinstance(error, messages.Error):
        return _problem(error)
    if isinstance(error, errors.TimeoutError):
        return f"{where} does not issue it in time"
    return f"{where} speaks no ACME there, or not as RFC 8555 has it ({type(error).__name__})"


def _problem(error: messages.Error) -> str:
    parts = [f"{error.code or error.typ}: {error.detail or error.title or 'without a reason'}"]
    parts += [f"{one.identifier.value}: {one.detail}" for one in error.subproblems or () if one.identifier]
    return "; ".join(parts)
