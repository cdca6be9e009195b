"""In which line of a document a field is. Composes the text, so it is for what is to be reported only."""

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from crossfade.gateway_files.documents import content_line
from crossfade_kube import yaml_texts

_STEP: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Lines:
    """For one round of reports: a document is composed once however many of its fields are asked for."""

    def __init__(self) -> None:
        self._roots: dict[str, Any] = {}

    def of(self, text: str, position: Sequence[int], field: str) -> int:
        """Lines before that of `field` in the object at `position` (indices into nested lists' `items`).

        What cannot be found gives the line of what it would be in.
        """
        if not position and not field:
            return content_line(text)
        node = self._root(text)
        if node is None:
            return content_line(text)
        line: int = node.start_mark.line
        for index in position:
            line, node = _found(node, ["items", f"[{index}]"], line)
        return _found(node, _steps(field), line)[0]

    def _root(self, text: str) -> Any:
        if text not in self._roots:
            try:
                yaml_texts.check_depth(text, _LOADER)
                self._roots[text] = yaml.compose(text, _LOADER)
            except yaml.YAMLError:
                self._roots[text] = None
        return self._roots[text]


def _steps(field: str) -> list[str]:
    """`a.b[0].c` → `a`, `b`, `[0]`, `c`."""
    return [match[0] for match in _STEP.finditer(field)]


def _found(node: Any, steps: list[str], line: int) -> tuple[int, Any]:
    """The deepest line and node that the steps lead to."""
    while steps:
        if isinstance(node, yaml.MappingNode):
            entry = _entry(node, steps)
            if entry is None:
                break
            key, node, taken = entry
            line, steps = key.start_mark.line, steps[taken:]
        elif isinstance(node, yaml.SequenceNode):
            index = _index(steps[0])
            if index is None or index >= len(node.value):
                break
            node, steps = node.value[index], steps[1:]
            line = node.start_mark.line
        else:
            break
    return line, node


def _entry(node: yaml.MappingNode, steps: list[str]) -> tuple[Any, Any, int] | None:
    """Key, value, and how many steps the key takes: `data`, `tls`, `crt` are two keys."""
    by_name = {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    for count in range(len(steps), 0, -1):
        name = ".".join(step.strip("[]") for step in steps[:count])
        if name in by_name:
            return (*by_name[name], count)
    return None


def _index(step: str) -> int | None:
    """`[0]` counts from 0; Kong's own texts have bare numbers, which count from 1."""
    digits = step.strip("[]")
    if not digits.isdecimal():
        return None
    return int(digits) if step.startswith("[") else int(digits) - 1 if int(digits) else 0
