"""The access log of a node or gateway, the same for both directions (appmesh.md §3.12)."""

from typing import Final

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.api.appmesh.values import FileAccessLog, LoggingFormat
from crossfade.api.bounds import Misfit, file_path
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.log_format import log_format
from crossfade.compile.model import AccessLog
from crossfade_kube.registry import typed_ref

_FILE: Final = "spec.logging.accessLog.file"
_FORMAT: Final = f"{_FILE}.format"
_DEFAULT_INSTEAD: Final = "the default format is used"


def access_log(owner: VirtualNode | VirtualGateway, diagnostics: Diagnostics) -> AccessLog | None:
    """A format that cannot be kept gives way to the default one, so that requests are logged all the same."""
    file = owner.spec.logging.file if owner.spec.logging else None
    if file is None:
        return None
    if isinstance(misfit := file_path(file.path), Misfit):
        diagnostics.error(
            typed_ref(owner),
            "logging.path",
            misfit.problem,
            effect="no access log is written",
            hint="give the path of a file, or /dev/stdout",
            field=f"{_FILE}.path",
        )
        return None
    return _formatted(file, owner, diagnostics)


def _formatted(file: FileAccessLog, owner: VirtualNode | VirtualGateway, diagnostics: Diagnostics) -> AccessLog:
    text, entries = (file.format.text, file.format.json) if file.format else (None, ())
    if text is not None and entries:
        diagnostics.error(
            typed_ref(owner),
            "logging.format",
            "the access log has both a text and a json format",
            effect="the text format is used",
            field=_FORMAT,
        )
        entries = ()
    if file.format is not None and (found := _wrong_format(LoggingFormat(text, entries))) is not None:
        field, problem = found
        diagnostics.error(
            typed_ref(owner),
            "logging.format",
            problem,
            effect=_DEFAULT_INSTEAD,
            hint="use the command operators of Envoy 1.40",
            field=field,
        )
        return AccessLog(file.path)
    return AccessLog(file.path, text, tuple((entry.key, entry.value) for entry in entries))


def _wrong_format(given: LoggingFormat) -> tuple[str, str] | None:
    """JSON path and problem of the first text that cannot be kept."""
    texts = [] if given.text is None else [(f"{_FORMAT}.text", given.text)]
    texts += [(f"{_FORMAT}.json[{index}].value", entry.value) for index, entry in enumerate(given.json)]
    for field, text in texts:
        if isinstance(misfit := log_format(text), Misfit):
            return field, misfit.problem
    return None
