"""Kong manifests as they are: nothing is to be converted, but something may work otherwise here."""

from collections.abc import Mapping

from crossfade.check.run import check_files
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.directory import Files
from crossfade.migrate.report import Report, entries_of, report_of


def migrated_manifests(files: Files, settings: CompileSettings) -> Report:
    """Raises FileNotFoundError without the policy module."""
    checked = check_files(files, settings)
    objects: Mapping[str, list[str]] = {str(ref): [str(ref)] for ref in checked.refs}
    return report_of(dict(objects), entries_of(checked, {}))
