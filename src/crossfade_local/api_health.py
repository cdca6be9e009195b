"""Whether the embedded cluster's API server answers, asked from outside without credentials."""

import http.client
import ssl
from pathlib import Path


def api_answers(port: int, *, authority: Path, within_s: float) -> bool:
    """True if it says it is ready. `authority` is the certificate that must have signed the server's.

    `within_s` holds for each step (connection, handshake, answer), so all may take a little longer.
    """
    try:
        context = ssl.create_default_context(cafile=str(authority))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=within_s, context=context)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False
