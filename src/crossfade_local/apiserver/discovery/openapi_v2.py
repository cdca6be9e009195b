"""The OpenAPI v2 document, without any kind: kubectl asks for it when a kind is missing in v3, and must get an answer.

Kinds are described in v3 only; kubectl before 1.29 is not supported.
"""

from typing import Any, Final

MEDIA_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_TITLE: Final = "Kubernetes"
_VERSION: Final = "unversioned"

DOCUMENT: Final[dict[str, Any]] = {
    "swagger": "2.0",
    "info": {"title": _TITLE, "version": _VERSION},
    "paths": {},
    "definitions": {},
}


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field; all of them are shorter than 128 bytes here."""
    return bytes([number << 3 | 2, len(content)]) + content


_INFO: Final = _field(1, _TITLE.encode()) + _field(2, _VERSION.encode())
PROTOBUF: Final = _field(1, b"2.0") + _field(2, _INFO) + _field(8, b"") + _field(9, b"")
"""The same document as gnostic's `openapi.v2.Document`."""
