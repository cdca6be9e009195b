"""Whether the embedded cluster's API server answers, asked from outside without credentials."""

import http.client
import ssl
from pathlib import Path
from typing import Final

_LONGEST_TEXT: Final = 4096


def api_state(port: int, *, authority: Path, within_s: float, host: str = "127.0.0.1") -> str | None:
    """What the server says is wrong with it, empty when it is ready; None when there is no answer.

    `authority` is the certificate that must have signed the server's. `within_s` holds for each step (connection,
    handshake, answer), so all may take a little longer.
    """
    try:
        context = ssl.create_default_context(cafile=str(authority))
        connection = http.client.HTTPSConnection(host, port, timeout=within_s, context=context)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            text = answer.read(_LONGEST_TEXT).decode(errors="replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return None
    if answer.status == http.HTTPStatus.OK:
        return ""
    return text.removeprefix("[-]state failed: ").strip() or f"it answers {answer.status}"
