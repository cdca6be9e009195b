"""Expressions in CEL mean what they mean in Kubernetes: `cel.jsonl` was recorded with its own compiler and libraries.

Those are k8s.io/apiserver's, in the environment that Kubernetes 1.36 has for rules of custom resources.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.apiserver.crd.cel_types.types import DYN
from crossfade_local.apiserver.crd.compilation import BrokenRuleError, checked, compiled

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "cel.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded["expression"] for recorded in RECORDED])
def test_expression(recorded: dict[str, Any]) -> None:
    import cel

    expression = recorded["expression"]
    if "fault" in recorded:
        with pytest.raises(BrokenRuleError) as refused:
            checked(expression, {"self": DYN})
        assert str(refused.value) == recorded["fault"]
        return
    checked(expression, {"self": DYN})
    program, functions = compiled(expression)
    context = cel.Context({"self": {}}, functions)
    if recorded.get("fails"):
        with pytest.raises((LookupError, OverflowError, RuntimeError, TypeError, ValueError)):
            program.execute(context)
        return
    found = program.execute(context)
    if recorded["type"] == "double":
        assert found == float(recorded["value"])
    else:
        assert (json.dumps(found) if isinstance(found, bool) else str(found)) == recorded["value"]
