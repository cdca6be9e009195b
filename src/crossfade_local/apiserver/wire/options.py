"""Query options of reads and writes, checked as Kubernetes checks them."""

from typing import Final

from crossfade_local.apiserver.validation.errors import FieldError, forbidden, invalid, not_supported, required
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.wire.request import Call, flag
from crossfade_local.apiserver.wire.status import StatusError, bad_request

_VALIDATION_MODES: Final = ("", "Ignore", "Warn", "Strict")
_MATCHES: Final = ("Exact", "NotOlderThan")


def options_error(kind: str, errors: list[FieldError]) -> StatusError:
    return StatusError.from_body(invalid_status(group="meta.k8s.io", kind=kind, name="", errors=errors))


def check_write(call: Call, kind: str) -> None:
    """`kind` is CreateOptions, UpdateOptions or PatchOptions; raises StatusError 422."""
    errors: list[FieldError] = []
    dry_run = call.query.get("dryRun")
    if dry_run not in (None, "", "All"):
        errors.append(not_supported("dryRun", [dry_run], ["All"]))
    mode = call.query.get("fieldValidation", "")
    if mode not in _VALIDATION_MODES:
        errors.append(not_supported("fieldValidation", mode, ["", "Ignore", "Strict", "Warn"]))
    if errors:
        raise options_error(kind, errors)


def check_apply(call: Call) -> bool:
    """Checks an apply patch's options and says whether conflicts are to be forced."""
    if not call.query.get("fieldManager"):
        raise options_error("PatchOptions", [required("fieldManager", "is required for apply patch")])
    return flag(call.query, "force")


def forbid_force(call: Call) -> None:
    if "force" in call.query:
        raise options_error("PatchOptions", [forbidden("force", "may not be specified for non-apply patch")])


def number(call: Call, name: str) -> int | None:
    """An integer option; raises StatusError 400 with Go's words."""
    text = call.query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def included_object(call: Call) -> str:
    """What of each object a table's row has; raises StatusError 400."""
    wanted = call.query.get("includeObject", "") or "Metadata"
    if wanted not in ("Metadata", "Object", "None"):
        error = invalid("includeObject", wanted, "must be 'Metadata', 'Object', 'None', or empty")
        raise bad_request(f"Unable to convert to Table as requested: {error}")
    return wanted


def check_list(call: Call, *, watching: bool) -> None:
    """resourceVersion and its companions must fit together; raises StatusError 422."""
    errors: list[FieldError] = []
    match = call.query.get("resourceVersionMatch", "")
    version = call.query.get("resourceVersion", "")
    field = "resourceVersionMatch"
    initial = call.query.get("sendInitialEvents")
    if watching and initial is not None:
        if match != "NotOlderThan":
            errors.append(forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    elif initial is not None:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    elif match:
        errors += _match_errors(match, version, watching=watching)
    if not watching and match and call.query.get("continue"):
        errors.append(forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    if errors:
        raise options_error("ListOptions", errors)


def _match_errors(match: str, version: str, *, watching: bool) -> list[FieldError]:
    field = "resourceVersionMatch"
    if watching:
        return [forbidden(field, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")]
    if not version:
        return [forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided")]
    if match not in _MATCHES:
        return [not_supported(field, match, ["Exact", "NotOlderThan", ""])]
    if match == "Exact" and version == "0":
        return [forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')]
    return []


def resource_version(text: str, *, watching: bool = False) -> int:
    """The revision of a resourceVersion option; raises StatusError, for watches 500 as Kubernetes does."""
    if not text:
        return 0
    if not text.isdigit():
        error = invalid("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": invalid syntax')
        raise StatusError(500, "", str(error)) if watching else bad_request(f"invalid resource version: {error}")
    return int(text)
