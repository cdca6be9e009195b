"""The boundary around what is built for one object: a fault there costs that object and nothing else.

Faults are bugs of ours; what is wrong with an object is said by diagnostics. So the author learns that the object has
no effect and that it is not the author's doing, and the exception is handed on for the log, since compiling logs
nothing.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from crossfade.compile.diagnostics import Diagnostics, Fault
from crossfade_kube.meta import ObjectRef

INTERNAL_FAULT: Final = "internal.fault"
REPORT_IT: Final = "report this with the object and the controller's log, which holds the traceback"

T = TypeVar("T")
D = TypeVar("D")


def isolated(
    build: Callable[[], T], *, otherwise: D, ref: ObjectRef, effect: str, diagnostics: Diagnostics, field: str = ""
) -> T | D:
    """What `build` gives for (part `field` of) the object `ref`; `otherwise` where it raises. `effect` is for users."""
    try:
        return build()
    except Exception as exc:
        note_fault(Fault(ref, field, exc), effect=effect, diagnostics=diagnostics)
        return otherwise


def note_fault(fault: Fault, *, effect: str, diagnostics: Diagnostics) -> None:
    # Not the exception's text: it may quote what must not be shown (keys, credentials).
    problem = f"a fault in Crossfade ({type(fault.exception).__name__}) keeps it from being used"
    diagnostics.error(fault.ref, INTERNAL_FAULT, problem, effect=effect, hint=REPORT_IT, field=fault.field)
    diagnostics.faults.append(fault)
