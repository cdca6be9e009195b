"""Old names of fields, for `Plugin.modernised`."""

from collections.abc import Callable, Mapping
from typing import Any


def renaming(new_names: Mapping[str, str]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """`new_names` by old name. An old name beside its new one stays, so that the schema refuses it."""

    def renamed(config: Mapping[str, Any]) -> Mapping[str, Any]:
        old = {name: new for name, new in new_names.items() if name in config and new not in config}
        return {old.get(name, name): value for name, value in config.items()}

    return renamed
