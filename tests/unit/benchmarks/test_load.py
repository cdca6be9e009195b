"""What h2load says at its end becomes counts, or an error."""

import pytest
from benchmarks.load import Answers, of_h2load

SAID = """\
starting benchmark...
spawning thread #0: 4 total client(s). Timing-based test with 1s of main duration.
TLS Protocol: TLSv1.3
Application protocol: {protocol}

finished in 1.00s, 16957.00 req/s, 3.11MB/s
requests: 16957 total, 16989 started, 16957 done, {well} succeeded, {failed} failed, {errored} errored, 0 timeout
status codes: {well} 2xx, 0 3xx, {failed} 4xx, 0 5xx
"""


def said(*, protocol: str = "h2", well: int = 16957, failed: int = 0, errored: int = 0) -> str:
    return SAID.format(protocol=protocol, well=well, failed=failed, errored=errored)


def test_requests_that_were_served() -> None:
    assert of_h2load(said()) == Answers(16957, 0)


def test_requests_that_were_refused() -> None:
    assert of_h2load(said(well=16000, failed=957)) == Answers(16957, 957)


@pytest.mark.parametrize(
    "output", [said(protocol="http/1.1"), said(errored=1), "nothing of it"], ids=["http/1.1", "errors", "other"]
)
def test_what_is_no_clean_load_is_no_figure(output: str) -> None:
    with pytest.raises(RuntimeError):
        of_h2load(output)
