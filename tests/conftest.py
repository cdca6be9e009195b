"""Options that all test layers share."""

import pytest
from hypothesis import settings

# How long one example takes says nothing on a machine that is busy; what hangs is ended by pytest's own timeout.
# The examples are the same each time, so that a change is not blamed for what is older.
settings.register_profile("crossfade", deadline=None, derandomize=True)
settings.load_profile("crossfade")
# `pytest --hypothesis-profile=nightly`: others each time, and as many as the profile says for tests that heed it.
settings.register_profile("nightly", max_examples=20_000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of the translation cases")
    parser.addoption("--every-mode", action="store_true", help="all tests of whole clusters also rootless")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
