"""`crossfade check`: judges manifests without a cluster, for people and for continuous integration."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossfade.check.run import Checked, Finding

_EPILOG = """\
exit codes:
  0  nothing is refused (warnings may be there, see --fail-on)
  1  something is refused: with errors, or with warnings under --fail-on warning
  2  wrong usage, or nothing could be checked

examples:
  crossfade check -f manifests/
  helm template shop | crossfade check -f -
  crossfade check -R -f deploy/ --output sarif > crossfade.sarif
"""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check",
        help="judge manifests without a cluster",
        description="Says of App Mesh and Kong manifests what the controllers and the gateway would say of them,"
        " without a cluster, a proxy or a network. What belongs together must be given together.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "-f",
        "--filename",
        metavar="PATH",
        action="append",
        required=True,
        help="file, directory, or `-` for standard input",
    )
    check.add_argument("-R", "--recursive", action="store_true", help="directories with all below them")
    check.add_argument(
        "--compat", choices=("kong-3", "kong-2.1"), default="kong-3", help="as the gateway's (default: %(default)s)"
    )
    check.add_argument("--ingress-class", default="kong", metavar="NAME", help="default: %(default)s")
    check.add_argument(
        "--missing-plugins",
        choices=("closed", "open"),
        default="closed",
        help="as the gateway's (default: %(default)s)",
    )
    check.add_argument(
        "--fail-on", choices=("error", "warning"), default="error", help="what ends it with 1 (default: %(default)s)"
    )
    check.add_argument("--output", choices=("text", "json", "sarif"), default="text", help="default: %(default)s")
    check.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.certs.authorities import USUAL_AUTHORITIES
    from crossfade.check.run import check_files
    from crossfade.compile.gateway.settings import CompileSettings, Environment
    from crossfade.gateway_files.given import GivenFiles, NotThere

    settings = CompileSettings(
        ingress_class=arguments.ingress_class,
        compat=arguments.compat,
        missing_plugins=arguments.missing_plugins,
        authorities=USUAL_AUTHORITIES,
        environment=Environment(os.environ),
    )
    try:
        files = GivenFiles(arguments.filename, stdin=sys.stdin, is_deep=arguments.recursive)
        checked = check_files(files, settings)
    except (NotThere, FileNotFoundError) as error:
        print(f"crossfade check: {error}", file=sys.stderr)
        return 2
    if not checked.files:
        print(f"crossfade check: {files.name}: no *.yaml, *.yml or *.json file", file=sys.stderr)
        return 2
    _PRINT[arguments.output](checked)
    return 1 if _fails(checked, arguments.fail_on) else 0


def _fails(checked: "Checked", least: str) -> bool:
    severities = ("error",) if least == "error" else ("error", "warning")
    return any(finding.severity in severities for finding in checked.findings)


def _print_text(checked: "Checked") -> None:
    from crossfade.check.report import summary
    from crossfade.compile.diagnostics import Severity

    for finding in checked.findings:
        if finding.severity is not Severity.NOTE or finding.code != "kind.unread":
            _print_finding(finding)
    print(f"crossfade check: {summary(checked)}", file=sys.stderr)


def _print_finding(finding: "Finding") -> None:
    from crossfade.check.report import place_of, subject_of, text_of
    from crossfade.cli.render import styled
    from crossfade.observe.words import shown_lines

    style = {"error": "red", "warning": "yellow", "note": "dim"}[finding.severity]
    place, *rest = map(shown_lines, (place_of(finding), subject_of(finding), text_of(finding)))
    print(": ".join(filter(None, (place, styled(finding.severity, style, sys.stdout), *rest))))
    if finding.hint:
        print(f"hint: {shown_lines(finding.hint)}")


def _print_json(checked: "Checked") -> None:
    from crossfade.check.report import json_report

    print(json.dumps(json_report(checked), indent=2, ensure_ascii=False))


def _print_sarif(checked: "Checked") -> None:
    from crossfade.check.sarif import sarif_report

    print(json.dumps(sarif_report(checked), indent=2, ensure_ascii=False))


_PRINT = {"text": _print_text, "json": _print_json, "sarif": _print_sarif}
