"""`crossfade controller`: the control plane in one of its two roles."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final, NamedTuple

from crossfade.controller.names import PROGRAMS, Role

_CONTROLLER_VARIABLE: Final = "CONTROLLER_"
_OPTIONS: Final = ("--role", "--kubeconfig")
_HELP: Final = ("-h", "--help")
# What a test of a release does in a pod of its own.
_REACH: Final = "reach"
_NO_ROLE: Final = "say --role mesh or --role gateway"


class _Words(NamedTuple):
    role: Role
    kubeconfig: str | None
    flags: tuple[str, ...]


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    # The flags of the controllers that charts were written for come unsorted among our own options.
    controller = commands.add_parser("controller", help="run the control plane", add_help=False, prefix_chars="\0")
    controller.add_argument("words", nargs=argparse.REMAINDER)
    controller.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.words[:1] == [_REACH]:
        from crossfade.cli.reach import reach

        return reach(arguments.words[1:])
    from crossfade.controller.start import run_controller
    from crossfade_kube.errors import ConfigError

    try:
        words = _understood(arguments.words, os.environ)
        run_controller(role=words.role, kubeconfig=words.kubeconfig, arguments=words.flags)
    except ConfigError as exc:
        print(f"crossfade controller: {exc}", file=sys.stderr)
        return 1
    return 0


def _understood(words: Sequence[str], environment: Mapping[str, str]) -> _Words:
    """Our own options come first; a name of a program after them says the role where nothing else does."""
    parser = argparse.ArgumentParser(prog="crossfade controller", description=__doc__, allow_abbrev=False)
    parser.add_argument("--role", choices=("mesh", "gateway"), help="default: that of the program that was called")
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: the pod's own service account")
    count = _count_of_own(words)
    own, rest = parser.parse_args(words[:count]), words[count:]
    called: Role | None = None
    while rest and (program := PROGRAMS.get(PurePath(rest[0]).name)):
        called, rest = called or program, rest[1:]
    by_environment: Role | None = (
        "gateway" if any(name.startswith(_CONTROLLER_VARIABLE) for name in environment) else None
    )
    role: Role | None = own.role or called or by_environment
    if role is None:
        parser.error(_NO_ROLE)
    return _Words(role, own.kubeconfig or None, tuple(rest))


def _count_of_own(words: Sequence[str]) -> int:
    count = 0
    while count < len(words):
        name, has_value, _ = words[count].partition("=")
        if name in _OPTIONS:
            count += 1 if has_value else 2
        elif name in _HELP:
            count += 1
        else:
            break
    return min(count, len(words))
