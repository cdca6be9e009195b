"""A fault while building for one object becomes that object's diagnostic, and a record for the log."""

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import INTERNAL_FAULT, isolated
from crossfade_kube.meta import ObjectRef

REF = ObjectRef("v1", "Thing", "prod", "jazz")


def build(number: int, diagnostics: Diagnostics) -> float | None:
    return isolated(
        lambda: 1 / number, otherwise=None, ref=REF, effect="it is left out", diagnostics=diagnostics, field="spec.n"
    )


def test_what_is_built_is_handed_on() -> None:
    diagnostics = Diagnostics()
    assert build(2, diagnostics) == 0.5
    assert not len(diagnostics)
    assert diagnostics.faults == []


def test_a_fault_is_told_and_kept() -> None:
    diagnostics = Diagnostics()
    assert build(0, diagnostics) is None
    (found,) = diagnostics
    assert (found.ref, found.code, found.field, found.effect) == (REF, INTERNAL_FAULT, "spec.n", "it is left out")
    assert "ZeroDivisionError" in found.message
    assert found.hint
    (fault,) = diagnostics.faults
    assert isinstance(fault.exception, ZeroDivisionError)


def test_a_diagnostic_never_quotes_the_exception() -> None:
    diagnostics = Diagnostics()

    def leak() -> None:
        raise ValueError("-----BEGIN PRIVATE KEY-----")

    isolated(leak, otherwise=None, ref=REF, effect="it is left out", diagnostics=diagnostics)
    assert "PRIVATE KEY" not in " ".join(map(str, diagnostics))
