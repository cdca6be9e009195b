"""Options that all test layers share."""

import pytest
from hypothesis import settings

# How long one example takes says nothing on a machine that is busy; what hangs is ended by pytest's own timeout.
settings.register_profile("crossfade", deadline=None)
settings.load_profile("crossfade")
# `pytest --hypothesis-profile=nightly`: for tests that try as many examples as the profile says.
settings.register_profile("nightly", max_examples=20_000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of the translation cases")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
