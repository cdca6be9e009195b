"""Texts of files → one declarative configuration."""

from collections.abc import Iterable, Mapping
from typing import Any

from crossfade.gateway_files.documents import SyntaxTrouble, loaded
from crossfade.migrate.deck.tree import NotDeclarative, Tree, is_declarative, tree_of
from crossfade_kube.meta import JsonObject


def is_deck(text: str) -> bool:
    """Whether the text says that it is one."""
    try:
        return any(is_declarative(value) for value in loaded(text))
    except SyntaxTrouble:
        return False


def deck_tree(texts: Mapping[str, str]) -> Tree:
    """Of several files together, as decK reads them; raises NotDeclarative naming the file."""
    merged: JsonObject = {}
    for path, text in texts.items():
        try:
            _merge(merged, loaded(text))
        except SyntaxTrouble as trouble:
            raise NotDeclarative(f"{path}:{trouble.line or 1}: {trouble.problem}") from None
        except NotDeclarative as trouble:
            raise NotDeclarative(f"{path}: {trouble}") from None
    return tree_of(merged)


def _merge(merged: JsonObject, values: Iterable[Any]) -> None:
    for value in values:
        if value is None:
            continue
        if not is_declarative(value):
            raise NotDeclarative("no declarative configuration: _format_version is missing")
        for name, found in value.items():
            known = merged.get(name)
            if isinstance(known, list) and isinstance(found, list):
                merged[name] = [*known, *found]
            elif isinstance(known, dict) and isinstance(found, dict):
                merged[name] = {**known, **found}
            else:
                merged[name] = found
