"""What a wait of the reliability tests says when it was in vain."""

import pytest

from tests.local.reliability.polling import until


def test_what_comes_in_time_is_the_answer() -> None:
    answers = iter([ValueError("not yet"), 0, 7])

    def ask() -> int:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    assert until(ask, 60) == 7


def test_a_wait_in_vain_says_what_stood_in_the_way() -> None:
    def ask() -> bool:
        raise PermissionError("not yours to read")

    with pytest.raises(TimeoutError, match=r"not within 0 s: PermissionError\('not yours to read'\)"):
        until(ask, 0)
