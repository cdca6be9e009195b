"""Whole clusters run in each mode that `crossfade up` has.

As the user of the tests, root in continuous integration, every test runs. As an ordinary user, rootless and with a
single uid, those marked `every_mode` do, in which the mode makes a difference; with `--every-mode` all do.
"""

from collections.abc import Iterator

import pytest

from tests.support.cluster_owner import NAMES, OWN, ClusterOwner, cluster_owner, lack


@pytest.fixture(scope="module", params=NAMES)
def owner(request: pytest.FixtureRequest) -> Iterator[ClusterOwner]:
    if reason := lack(request.param):
        pytest.skip(reason)
    with cluster_owner(request.param) as found:
        yield found


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--every-mode"):
        return
    left_out = {item for item in items if _is_of_another(item) and not item.get_closest_marker("every_mode")}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def _is_of_another(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("owner", OWN) != OWN
