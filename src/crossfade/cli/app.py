"""Parser and dispatch of `crossfade`: imports a command's module only when that command runs.

A command module defines `add_parsers(commands)`, which adds its parsers to the given sub-parsers and sets `run`
(a function from the parsed arguments to an exit code) as a default of each.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from crossfade import __version__

Run = Callable[[argparse.Namespace], int]


class Command(NamedTuple):
    """`module` is below `crossfade.cli`."""

    module: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "up": Command("local", "start the embedded cluster on this machine"),
    "down": Command("local", "stop the embedded cluster"),
    "status": Command("local", "show whether a cluster is well, and which proxies have lost it"),
    "backup": Command("backup", "save the embedded cluster to a file"),
    "restore": Command("backup", "put a saved embedded cluster back"),
    "kubectl": Command("local", "run the bundled kubectl on the embedded cluster"),
    "install": Command("install", "print the manifests of the mesh or the gateway, for kubectl apply"),
    "gateway": Command("gateway", "run the gateway alone on a directory of manifests"),
    "check": Command("check", "judge manifests without a cluster"),
    "explain": Command("explain", "say what becomes of a request, and why"),
    "top": Command("top", "show rates, success and refusals of routes, nodes and consumers"),
    "graph": Command("graph", "show who calls whom in the mesh, as declared and as counted"),
    "tap": Command("tap", "show requests as they happen, who answered them and why"),
    "emf": Command("emf", "write what proxies count as metrics of CloudWatch"),
    "migrate": Command("migrate", "say what a Kong configuration becomes here, and convert decK files"),
    "doctor": Command("doctor", "say what this machine lacks, and the command that gives it"),
    "completion": Command("completion", "print a script that completes commands and options in your shell"),
    "demo": Command("demo", "replay the DJ walkthrough, step by step"),
    "controller": Command("controller", "run the control plane (inside a cluster)"),
    "kong": Command("kong", "end or look after a gateway's proxy, as Kong's chart does (inside a container)"),
    "proxy": Command("proxy", "run Envoy with a bootstrap for this pod (inside a cluster)"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the command failed, 2 wrong usage, 130 interrupted."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        _overview().parse_args(arguments or ["--help"])
        return 2
    namespace = parser_of([COMMANDS[arguments[0]].module]).parse_args(arguments)
    run: Run = namespace.run
    return run(namespace)


def parser_of(modules: Iterable[str]) -> argparse.ArgumentParser:
    """Of the commands in these modules, which are imported."""
    parser = Parser(prog="crossfade")
    commands = parser.add_subparsers(required=True)
    for module in modules:
        importlib.import_module(f"crossfade.cli.{module}").add_parsers(commands)
    return parser


class Parser(argparse.ArgumentParser):
    """Says which word was perhaps meant, and what is wrong with the option rather than with the word behind it."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What no option and no argument takes is refused here: the usage shown is that of the command, not of all."""
        from crossfade.cli.meant import unknown_options

        words = list(sys.argv[1:] if args is None else args)
        if unknown := unknown_options(words, self):
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        known, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return known, rest

    def error(self, message: str) -> NoReturn:
        from crossfade.cli.meant import with_suggestion

        super().error(with_suggestion(message, self))


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    listing = "\n".join(f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items())
    parser = Parser(
        prog="crossfade",
        description="Runs AWS App Mesh and Kong manifests, unchanged, on a current Envoy.",
        epilog=f"commands:\n{listing}\n\n`crossfade COMMAND --help` explains one command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="crossfade COMMAND [options]",
    )
    parser.add_argument("--version", action="version", version=f"crossfade {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    return parser
