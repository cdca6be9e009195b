"""`controller reach URL…`: whether what a release installed answers, for `helm test`; any answer will do."""

import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Final

WITHIN_S: Final = 30.0
_ANSWER_S: Final = 5.0
_PAUSE_S: Final = 0.5


def reach(urls: Sequence[str], *, within_s: float = WITHIN_S, clock: Callable[[], float] = time.monotonic) -> int:
    """Exit code: 0 where all have answered in time, 1 where one has not, 2 where there is nothing to ask."""
    if not urls or any(not url.startswith(("http://", "https://")) for url in urls):
        print("crossfade controller reach: give URLs, of http or https", file=sys.stderr)
        return 2
    deadline = clock() + within_s
    failed = [url for url in urls if not _answers(url, deadline, clock)]
    return 1 if failed else 0


def _answers(url: str, deadline: float, clock: Callable[[], float]) -> bool:
    while True:
        problem = _problem(url)
        if not problem:
            print(f"{url} answers")
            return True
        if clock() >= deadline:
            print(f"{url} does not answer: {problem}", file=sys.stderr)
            return False
        time.sleep(_PAUSE_S)


def _problem(url: str) -> str:
    # Who asks does not know the authority that the server's certificate is of, and tells it nothing.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # No proxy of the environment is between the pods of a cluster.
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), _NoRedirects())
    try:
        urllib.request.build_opener(*handlers).open(url, timeout=_ANSWER_S).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        return str(error)
    return ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer."""

    def redirect_request(self, *_: object) -> None:
        return None
