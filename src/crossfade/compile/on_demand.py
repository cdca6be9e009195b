"""Names of a package that are imported when they are first asked for: nobody waits for what he does not need."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def names_on_demand(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """For `__getattr__` of the package; `homes` are its names with the modules below it that have them."""

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return get
