"""Types and a clock for the API server's pure rules."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from crossfade_local.apiserver.types.registry import BuiltinTypes
from crossfade_local.apiserver.types.schema import SchemaNode

SchemaOf = Callable[[str, str, str], SchemaNode]


@pytest.fixture(scope="session")
def schema_of() -> SchemaOf:
    types = BuiltinTypes.load()
    return lambda group, version, kind: types.schema((group, version, kind))


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
