"""Configurations as JSON has them, whatever text or object they come from.

YAML knows more than JSON: dates, bytes, keys of any type, values within themselves, and aliases by which a few lines
stand for a billion values. Nothing of that gets past here, so that whoever reads a configuration may trust it.
"""

import json
import math
from typing import Any, Final

import yaml

from crossfade.api.bounds import Misfit, encodable
from crossfade_kube import yaml_texts

MOST_VALUES: Final = 50_000
MOST_DEPTH: Final = 64
# What a double can tell apart; Kong has no other numbers.
_LARGEST_NUMBER: Final = 1 << 63


class NotPlainError(ValueError):
    """The text says what JSON cannot have, never the value itself; empty where the syntax is wrong."""


def from_yaml(text: str) -> Any:
    """Of a YAML text, which JSON texts are too; raises NotPlainError."""
    try:
        value = yaml_texts.load(text)
    except yaml_texts.TooMuchYamlError as error:
        raise NotPlainError(error.problem) from None
    except yaml.YAMLError:
        # Not the error's text: it quotes the Secret.
        raise NotPlainError from None
    return plain(value)


def from_json(text: str) -> Any:
    """Raises NotPlainError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise NotPlainError from None
    return plain(value)


def plain(value: Any) -> Any:
    """A copy of JSON values; raises NotPlainError for anything else, and for more than one configuration can need."""
    return _Copy().of(value, 0)


class _Copy:
    def __init__(self) -> None:
        self._left = MOST_VALUES

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NotPlainError(f"it has more than {MOST_VALUES} values")
        if depth > MOST_DEPTH:
            raise NotPlainError(f"it is nested more than {MOST_DEPTH} levels deep")
        if isinstance(value, dict):
            return {_key(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        return _scalar(value)


def _key(key: Any) -> str:
    """Numbers and booleans become texts, as where Kubernetes turns YAML into JSON."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(_scalar(key))
    if not isinstance(key, str):
        raise NotPlainError(f"a key is of type {type(key).__name__}, which JSON does not have")
    text: str = _scalar(key)
    return text


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # NaN and the infinities are floats; only whole numbers are larger.
        if isinstance(value, float) and not math.isfinite(value):
            raise NotPlainError("a number is infinite or none at all, which JSON does not have")
        if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            raise NotPlainError("a number has more than 64 bits")
        return value
    if not isinstance(value, str):
        raise NotPlainError(f"a value is of type {type(value).__name__}, which JSON does not have")
    if isinstance(encodable(value), Misfit):
        raise NotPlainError("a text holds half of a surrogate pair, which is no character")
    return value
