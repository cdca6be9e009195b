"""How Kubernetes spells the names of fields that are no identifiers of CEL (`__dash__`, `__namespace__`)."""

import re
from typing import Final

RESERVED: Final = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_MARKS: Final = {"__underscores__": "__", "__dot__": ".", "__dash__": "-", "__slash__": "/"}
_MARK: Final = re.compile("|".join(_MARKS))


def field_named(identifier: str) -> str:
    """The name of the field that an identifier stands for."""
    if identifier.startswith("__") and identifier.endswith("__") and identifier[2:-2] in RESERVED:
        return identifier[2:-2]
    return _MARK.sub(lambda found: _MARKS[found[0]], identifier)
