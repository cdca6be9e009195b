"""How Secrets are encrypted at rest: AES-256-GCM with a key in a file of its own beside the state.

A sealed record is a mark, the key's id, a nonce and the ciphertext; it belongs to its bucket, namespace and name, so
that records cannot be exchanged for each other. A record without the mark is plain JSON of a former version.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crossfade_local.apiserver.state.format import UnusableStateError, sync_folder

_MARK: Final = b"\x00aesgcm1"
_KEY_SIZE: Final = 32
_ID_SIZE: Final = 4
_NONCE_SIZE: Final = 12

Place = tuple[str, str, str]
"""Bucket, namespace and name of a record."""


class SealError(UnusableStateError):
    """What is encrypted cannot be read; the text names the file and the way out."""


class Seal:
    """One key. Its id tells records of another key before they fail to open."""

    def __init__(self, key: bytes, path: Path) -> None:
        """`path` is where the key lies, for messages."""
        self._path = path
        self._cipher = AESGCM(key)
        self._id = hashlib.sha256(key).digest()[:_ID_SIZE]

    def close(self, record: bytes, place: Place) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        return _MARK + self._id + nonce + self._cipher.encrypt(nonce, record, _bound_to(place))

    def open(self, record: bytes, place: Place) -> bytes:
        """Plain records are returned as they are. Raises SealError."""
        if not is_sealed(record):
            return record
        body = record[len(_MARK) :]
        key_id, nonce, ciphertext = body[:_ID_SIZE], body[_ID_SIZE:][:_NONCE_SIZE], body[_ID_SIZE + _NONCE_SIZE :]
        if key_id != self._id:
            raise SealError(
                f"{self._path} holds key {self._id.hex()}, but Secrets are encrypted with key {key_id.hex()}: put that "
                "key back, or move state.db away to start with an empty cluster"
            )
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound_to(place))
        except (InvalidTag, ValueError) as error:
            raise SealError(
                f"the encrypted record of Secret {place[1]}/{place[2]} was changed or is damaged: put back a copy of "
                "state.db, or move it away to start with an empty cluster"
            ) from error


def is_sealed(record: bytes) -> bool:
    return record.startswith(_MARK)


def load_key(path: Path) -> bytes | None:
    """None when there is no such file. Raises SealError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SealError(f"the key of Secrets, {path}, cannot be read: {error.strerror}") from error
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_SIZE:
        raise SealError(
            f"{path} holds no key of {_KEY_SIZE} bytes in base64: put the key back that Secrets are encrypted with, or "
            "move that file and state.db away to start with an empty cluster"
        )
    return key


def make_key(path: Path) -> bytes:
    """A new one in a file that only its owner may read; it is there as a whole or not at all."""
    key = os.urandom(_KEY_SIZE)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        # Without the key what is written from now on could never be read again.
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)
    return key


def _bound_to(place: Place) -> bytes:
    return "\0".join(place).encode()
