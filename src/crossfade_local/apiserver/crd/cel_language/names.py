"""How Kubernetes spells the names of fields that are no identifiers of CEL (`__dash__`, `__namespace__`)."""

import re
from typing import Final

RESERVED: Final = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_NAME: Final = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*")
_MARKED: Final = re.compile(r"__|[./-]")
_MARKS: Final = {"__underscores__": "__", "__dot__": ".", "__dash__": "-", "__slash__": "/"}
_IDENTIFIERS: Final = {character: mark for mark, character in _MARKS.items()}
_MARK: Final = re.compile("|".join(_MARKS))


def field_named(identifier: str) -> str:
    """The name of the field that an identifier stands for."""
    if identifier.startswith("__") and identifier.endswith("__") and identifier[2:-2] in RESERVED:
        return identifier[2:-2]
    return _MARK.sub(lambda found: _MARKS[found[0]], identifier)


def identifier_of(field: str) -> str:
    """What stands for a field in an expression; empty if nothing can."""
    if field in RESERVED:
        return f"__{field}__"
    if not _NAME.fullmatch(field):
        return ""
    return _MARKED.sub(lambda found: _IDENTIFIERS[found[0]], field)
