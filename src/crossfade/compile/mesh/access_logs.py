"""The access log of a node or gateway, the same for both directions (appmesh.md §3.12)."""

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import AccessLog
from crossfade_kube.registry import typed_ref


def access_log(owner: VirtualNode | VirtualGateway, diagnostics: Diagnostics) -> AccessLog | None:
    file = owner.spec.logging.file if owner.spec.logging else None
    if file is None:
        return None
    text = file.format.text if file.format else None
    entries = file.format.json if file.format else ()
    if text is not None and entries:
        diagnostics.error(
            typed_ref(owner),
            "logging.format",
            "the access log has both a text and a json format",
            effect="the text format is used",
            field="spec.logging.accessLog.file.format",
        )
        entries = ()
    return AccessLog(file.path, text, tuple((entry.key, entry.value) for entry in entries))
