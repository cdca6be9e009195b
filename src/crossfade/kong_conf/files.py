"""The files that settings name, read once at the start."""

import base64
import binascii
from pathlib import Path
from typing import Any, Final

from crossfade.kong_conf.settings import KongSettings

TEMPLATES: Final = ("error_template_html", "error_template_json", "error_template_plain", "error_template_xml")
_PAIRS: Final = (
    ("ssl_cert", "ssl_cert_key"),
    ("admin_ssl_cert", "admin_ssl_cert_key"),
    ("client_ssl_cert", "client_ssl_cert_key"),
)
_PEM: Final = "-----BEGIN"
_LARGEST_BYTES: Final = 1 << 20


def with_files_read(settings: KongSettings) -> KongSettings:
    """Templates and certificates as texts in place of their files. Raises ValueError naming setting and file."""
    texts: dict[str, Any] = {
        name: _text(name, path) for name in TEMPLATES if (path := getattr(settings, name)) is not None
    }
    for certificate, key in _PAIRS:
        given = {name: text for name in (certificate, key) if (text := getattr(settings, name)) is not None}
        if len(given) == 1:
            raise ValueError(f"{certificate} and {key} must be set together")
        texts |= {name: _pem(name, text) for name, text in given.items()}
    return settings._replace(**texts)


def check_authorities(settings: KongSettings) -> None:
    """On the proxy's machine: Envoy would refuse every Service that needs the file. Raises ValueError."""
    if settings.lua_ssl_trusted_certificate is not None:
        _text("lua_ssl_trusted_certificate", settings.lua_ssl_trusted_certificate)


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
