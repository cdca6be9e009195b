"""What the policy module, which has the last word on what it is to run, says of a part of a configuration."""

from collections.abc import Mapping
from typing import Any

import msgspec

from crossfade.policy_module import library


def module_words(plugin: str, config: Mapping[str, Any], *, about: str) -> str | None:
    """Why it cannot run with this, without `about`, by which it names the field; None if it can."""
    try:
        instance = msgspec.json.encode({"id": "", "plugin": plugin, "config": config}).decode()
    except UnicodeError:
        return "a text that UTF-8 cannot write"
    problem = library.problem("instance", instance)
    return None if problem is None else problem.removeprefix(about)
