"""YAML texts of strangers: values or a YAMLError, whatever stands in them.

libyaml's loader goes down into nested values by recursion in C, so a text with enough brackets would end the process.
And it lets through whatever Python says of numbers and dates that cannot be made.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

MOST_DEPTH: Final = 500
Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_all(text: str | bytes, loader: Any = Loader) -> Iterator[Any]:
    """Every document; `loader` is a safe one. Raises yaml.YAMLError."""
    _check_depth(text, loader)
    try:
        yield from yaml.load_all(text, loader)
    except yaml.YAMLError:
        raise
    except Exception as error:
        raise yaml.YAMLError(f"a value cannot be made: {type(error).__name__}") from error


def load(text: str | bytes, loader: Any = Loader) -> Any:
    """The only document, None if there is none. Raises yaml.YAMLError."""
    documents = list(load_all(text, loader))
    if len(documents) > 1:
        raise yaml.YAMLError("there are several documents where one belongs")
    return documents[0] if documents else None


def _check_depth(text: str | bytes, loader: Any) -> None:
    """Events come without recursion."""
    depth = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                mark: Any = event.start_mark
                problem = f"values are nested more than {MOST_DEPTH} levels deep"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
