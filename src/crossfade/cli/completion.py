"""`crossfade completion SHELL`: made from the parsers of all commands, so it can't lag behind them."""

import argparse
from typing import Final

_SHELLS: Final = ("bash", "zsh", "fish", "tcsh")


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in your shell",
        description="Prints a script; for bash: source <(crossfade completion bash)",
    )
    parser.add_argument("shell", choices=_SHELLS)
    parser.set_defaults(run=run_completion)


def run_completion(arguments: argparse.Namespace) -> int:
    import shtab

    from crossfade.cli.actions import all_actions
    from crossfade.cli.app import COMMANDS, parser_of

    parser = parser_of(dict.fromkeys(command.module for command in COMMANDS.values()))
    ways = {"FILE": shtab.FILE, "PATH": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in all_actions(parser):
        if isinstance(action.metavar, str) and action.metavar in ways:
            # What shtab looks for.
            action.complete = ways[action.metavar]  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=arguments.shell))
    return 0
