"""What a parser takes, which argparse has no public way to ask."""

import argparse
from collections.abc import Iterator


def own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001


def all_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of its commands too."""
    for action in own_actions(parser):
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                yield from all_actions(each)
