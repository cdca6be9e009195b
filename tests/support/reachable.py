"""How much an object holds on to: what grows with names of the past grows here, whatever the allocator does."""

import gc
from types import FunctionType, ModuleType
from typing import Any
from weakref import ReferenceType


def reachable(root: Any) -> int:
    """Objects that can be reached from this one, not through modules, classes, weak references, functions' globals."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, ModuleType | type | ReferenceType):
            continue
        seen[id(one)] = one
        waiting += (one.__closure__ or ()) if isinstance(one, FunctionType) else gc.get_referents(one)
    return len(seen)
