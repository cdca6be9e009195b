"""`crossfade migrate`: reports what becomes of a Kong configuration, and makes manifests of decK files."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crossfade.compile.gateway.settings import CompileSettings
    from crossfade.migrate.report import Entry, Report

_EPILOG = """\
exit codes:
  0  everything is kept, if some of it works differently
  1  something is refused
  2  wrong usage, or nothing could be read

examples:
  crossfade migrate kong manifests/
  crossfade migrate kong kong.yaml -o manifests/
"""
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_STYLES: Final = {"exact": "green", "different": "yellow", "refused": "red"}


class _Unusable(Exception):  # noqa: N818 - says why, to people
    pass


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    migrate = commands.add_parser("migrate", help="from Kong", description=__doc__)
    origins = migrate.add_subparsers(required=True, metavar="FROM")
    kong = origins.add_parser(
        "kong",
        help="Kong manifests, or decK files",
        description="Says of every object and field of a Kong configuration whether it is kept exactly, works"
        " differently or is refused. Kong manifests need no conversion; decK's and DB-less Kong's files become"
        " manifests, which are written with -o. No secret is shown.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kong.add_argument("path", metavar="PATH", type=Path, help="a file, or a directory with *.yaml, *.yml, *.json files")
    kong.add_argument("-o", "--out", metavar="DIR", type=Path, help="where to write the manifests of a decK file")
    kong.add_argument("-n", "--namespace", default="default", help="of these manifests (default: %(default)s)")
    kong.add_argument("--ingress-class", default="kong", metavar="NAME", help="default: %(default)s")
    kong.add_argument("--compat", choices=("kong-3", "kong-2.1"), default="kong-3", help="default: %(default)s")
    kong.add_argument("--output", choices=("text", "json"), default="text", help="default: %(default)s")
    kong.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.migrate.deck.tree import NotDeclarative
    from crossfade.migrate.report import Verdict

    try:
        report = _report(arguments)
    except (_Unusable, NotDeclarative, OSError) as error:
        print(f"crossfade migrate: {error}", file=sys.stderr)
        return 2
    if arguments.output == "json":
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        _print_text(report)
    return 1 if report.count(Verdict.REFUSED) else 0


def _report(arguments: argparse.Namespace) -> "Report":
    from crossfade.compile.gateway.settings import CompileSettings, Environment
    from crossfade.migrate.deck.reading import is_deck

    settings = CompileSettings(
        ingress_class=arguments.ingress_class,
        compat=arguments.compat,
        stands_alone=True,
        environment=Environment(os.environ),
    )
    texts = {str(path): path.read_text("utf-8", errors="replace") for path in _files(arguments.path)}
    if any(map(is_deck, texts.values())):
        return _converted(arguments, texts, settings)
    if arguments.out is not None:
        raise _Unusable(f"{arguments.path} holds no decK file, and manifests need no conversion: leave out -o")
    from crossfade.gateway_files.given import GivenFiles
    from crossfade.migrate.manifests import migrated_manifests

    return migrated_manifests(GivenFiles(list(texts), stdin=sys.stdin), settings)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise _Unusable(f"{path}: no such file or directory")
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES and each.is_file())
    if not found:
        raise _Unusable(f"{path}: no *.yaml, *.yml or *.json file")
    return found


def _converted(arguments: argparse.Namespace, texts: dict[str, str], settings: "CompileSettings") -> "Report":
    from crossfade.migrate.deck.convert import converted
    from crossfade.migrate.deck.output import Options
    from crossfade.migrate.deck.reading import deck_tree

    options = Options(arguments.namespace, arguments.ingress_class)
    made = converted(deck_tree(texts), options, settings)
    if arguments.out is not None:
        _write(arguments.out, made.texts)
    return made.report


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Secrets for nobody else's eyes; nothing that is there is overwritten."""
    from crossfade.migrate.deck.writing import SECRETS

    present = [name for name in texts if (folder / name).exists()]
    if present:
        raise _Unusable(f"{folder} has {', '.join(present)} already; choose another directory")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        path.touch(mode=0o600 if name == SECRETS else 0o644)
        path.write_text(text, "utf-8")


def _print_text(report: "Report") -> None:
    from crossfade.cli.render import styled
    from crossfade.migrate.report import Verdict
    from crossfade.observe.words import shown, shown_lines

    said: dict[str, list[Entry]] = {}
    for entry in report.entries:
        said.setdefault(entry.entity, []).append(entry)
    for kept in report.kept:
        becomes = f" → {', '.join(kept.objects)}" if kept.objects and kept.objects != (kept.entity,) else ""
        print(f"{styled(kept.verdict, _STYLES[kept.verdict], sys.stdout)}: {shown(kept.entity + becomes)}")
        for entry in said.get(kept.entity, ()):
            field = f"{entry.field}: " if entry.field else ""
            print(f"  {entry.verdict}: {shown(field)}{shown(' '.join(entry.text.split()))}")
            if entry.hint:
                print(f"  hint: {shown_lines(entry.hint)}")
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict)
    print(f"crossfade migrate: {counts}", file=sys.stderr)
