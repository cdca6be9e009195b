"""The word that was perhaps meant where one is none of a command's."""

import argparse
import difflib
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from crossfade.cli.actions import all_actions, own_actions

# argparse keeps what it refuses in nothing but its messages.
_CHOICE: Final = re.compile(r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<choices>.*)\)")
_UNRECOGNIZED: Final = re.compile(r"unrecognized arguments: (?P<word>--[^ =]+)")
_HANDED_ON: Final = frozenset({argparse.PARSER, argparse.REMAINDER})


def with_suggestion(message: str, parser: argparse.ArgumentParser) -> str:
    """The message of argparse, with the nearest choice or option of the parser and its commands behind it."""
    if found := _CHOICE.search(message):
        near = _nearest(found["word"], re.findall(r"'([^']*)'", found["choices"]))
    elif found := _UNRECOGNIZED.search(message):
        near = _nearest(found["word"], sorted(_options(parser)))
    else:
        return message
    return f"{message}\ndid you mean {near!r}?" if near else message


def unknown_options(words: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Of a command's words; none of a parser that hands words on, to commands below it or to another program."""
    if parser.prefix_chars != "-" or any(action.nargs in _HANDED_ON for action in own_actions(parser)):
        return []
    known = _options(parser)
    given = (word.partition("=")[0] for word in takewhile(lambda word: word != "--", words))
    return [word for word in given if word.startswith("--") and not any(one.startswith(word) for one in known)]


def _nearest(word: str, candidates: list[str]) -> str:
    return next(iter(difflib.get_close_matches(word, candidates, n=1)), "")


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in all_actions(parser) for option in action.option_strings}
