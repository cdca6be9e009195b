"""What Secrets can hold: credentials, certificates that are none, plugin configurations as JSON and YAML texts."""

from functools import cache
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import strategies as st

from crossfade.api.kong.credentials import ALIASES, CREDENTIAL_KINDS
from tests.support import hostile
from tests.support.certificates import KeyPair, self_signed

Data = dict[str, bytes]

NUMBER_TEXTS: Final = (
    "0", "1", "-1", "-5", "60", "  7 ", "+1", "1.5", "1e3", "0x10", "1_000", "٣", "NaN", "-0", "",
    "32767", "32768", "2147483647", "5000000000", "9999999999999", "9" * 30, "9" * 5000, "1 2", "true",
)  # fmt: skip
LAUGHS: Final = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    + [f"{one}: &{one} [{', '.join([f'*{before}'] * 10)}]" for before, one in zip("abcdefgh", "bcdefghi", strict=True)]
)
CONFIG_TEXTS: Final = (
    "minute: 5",
    '{"minute": 5, "policy": "local"}',
    "key_names: [apikey, x-key]",
    "second: .nan",
    "second: .inf",
    "minute: 1" + "0" * 400,
    "minute: " + "9" * 5000,
    "minute: 2026-99-99",
    "minute: 2026-01-01",
    "minute: !!binary aGk=",
    "? [a, b]\n: 1",
    "1: 2\nminute: 5",
    "null: 1",
    "minute: &a [*a]",
    "minute: &a {b: *a}",
    "second: 1\n<<: {minute: 5}",
    LAUGHS,
    "minute: 5\n" + LAUGHS,
    "key_names: " + "[" * 2000 + "]" * 2000,
    "[" * 5000,
    "- a",
    "just a text",
    "!!python/object/apply:os.system [true]",
    "a: b: c",
    "\x00",
    "\ud7ff",
    "--- 1\n--- 2",
    "",
)
PATCH_TEXTS: Final = (
    "5", '"a"', "null", "{}", '{"minute": 5}', "NaN", "Infinity", "1e999", "9" * 5000, "[" * 5000 + "]" * 5000,
    '"\\ud800"', '{"a": 1, "a": 2}', "true", "[]", "not JSON", "",
)  # fmt: skip


@cache
def good_pair() -> KeyPair:
    return self_signed("shop.test")


@cache
def _odd_keys() -> tuple[bytes, ...]:
    keys: tuple[ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, ...] = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP224R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 1024),
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    hidden = serialization.BestAvailableEncryption(b"secret")
    plain = tuple(key.private_bytes(pem, pkcs8, serialization.NoEncryption()) for key in keys)
    return (*plain, keys[0].private_bytes(pem, pkcs8, hidden))


def pairs() -> st.SearchStrategy[Data]:
    """`tls.crt` and `tls.key`, most of them of no use."""
    good = good_pair()
    chain, key = good.certificate.encode(), good.key.encode()
    chains = st.sampled_from(
        (chain, chain, b"# M\xfcller\n" + chain, chain * 2, chain + b"\x00", chain.replace(b"\n", b"\r\n"), chain[:200],
         b"", b"\xff\xfe", key, chain.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), b"a" * 70_000)
    )  # fmt: skip
    keys = st.sampled_from((key, key, key + b"\n\n# \xe9", chain, b"", b"\x00", *_odd_keys()))
    both = st.fixed_dictionaries({"tls.crt": chains, "tls.key": keys})
    return both | st.fixed_dictionaries({}, optional={"tls.crt": chains, "tls.key": keys})


def _values() -> st.SearchStrategy[bytes]:
    strange = hostile.strange_text().map(lambda text: text.encode("utf-8", "replace"))
    return st.sampled_from((b"sesame", b"ann-key", b"bob", b"\xff\xfe\x00", b"\n")) | strange | st.binary(max_size=20)


def credential_data() -> st.SearchStrategy[Data]:
    names = sorted({name for kind in CREDENTIAL_KINDS.values() for name in kind.required})
    numbers = st.sampled_from(NUMBER_TEXTS).map(lambda text: text.encode())
    kinds = st.sampled_from([*CREDENTIAL_KINDS, *ALIASES, "moon", ""]).map(lambda text: text.encode())
    fields = {**dict.fromkeys(names, _values()), "ttl": numbers | _values(), "kongCredType": kinds}
    whole = st.fixed_dictionaries({"key": _values()}, optional={"ttl": numbers})
    return whole | st.fixed_dictionaries({}, optional=fields)


def config_data() -> st.SearchStrategy[Data]:
    texts = st.sampled_from(CONFIG_TEXTS + PATCH_TEXTS) | hostile.strange_text() | st.text(alphabet="a:[]{}&*!-'\"\n #")
    return st.fixed_dictionaries({"config": texts.map(lambda text: text.encode("utf-8", "replace"))})
