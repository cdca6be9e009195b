"""A node's access log, the same for both directions (appmesh.md §3.12)."""

from crossfade.api.appmesh import VirtualNode
from crossfade.api.registry import typed_ref
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import AccessLog


def access_log(node: VirtualNode, diagnostics: Diagnostics) -> AccessLog | None:
    file = node.spec.logging.file if node.spec.logging else None
    if file is None:
        return None
    text = file.format.text if file.format else None
    entries = file.format.json if file.format else ()
    if text is not None and entries:
        diagnostics.error(
            typed_ref(node),
            "logging.format",
            "the access log has both a text and a json format",
            effect="the text format is used",
            field="spec.logging.accessLog.file.format",
        )
        entries = ()
    return AccessLog(file.path, text, tuple((entry.key, entry.value) for entry in entries))
