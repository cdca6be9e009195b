"""The files that settings name, read once at the start."""

import base64
import binascii
from pathlib import Path
from typing import Any, Final

from crossfade.kong_conf.settings import KongSettings

TEMPLATES: Final = ("error_template_html", "error_template_json", "error_template_plain", "error_template_xml")
_PEM: Final = "-----BEGIN"
_LARGEST_BYTES: Final = 1 << 20


def with_files_read(settings: KongSettings) -> KongSettings:
    """Templates and certificates as texts in place of their files. Raises ValueError naming setting and file."""
    texts: dict[str, Any] = {
        name: _text(name, path) for name in TEMPLATES if (path := getattr(settings, name)) is not None
    }
    if (settings.ssl_cert is None) != (settings.ssl_cert_key is None):
        raise ValueError("ssl_cert and ssl_cert_key must be set together")
    if settings.ssl_cert is not None and settings.ssl_cert_key is not None:
        texts["ssl_cert"] = _pem("ssl_cert", settings.ssl_cert)
        texts["ssl_cert_key"] = _pem("ssl_cert_key", settings.ssl_cert_key)
    return settings._replace(**texts)


def _text(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ValueError(f"{name}: {path} is larger than {_LARGEST_BYTES} bytes")
        return content.decode()
    except OSError as error:
        raise ValueError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {path} is not UTF-8 text") from None


def _pem(name: str, given: str) -> str:
    """PEM itself, in base64, or the name of a file with it. What is not readable is not shown: it may be a key."""
    if _PEM in given:
        return given
    if given.startswith(("/", ".")):
        return _text(name, given)
    try:
        decoded = base64.b64decode(given, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    if _PEM not in decoded:
        raise ValueError(f"{name} is neither PEM, nor PEM in base64, nor a path that begins with /")
    return decoded
