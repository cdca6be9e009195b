"""The tables of annotations say what the code reads, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from crossfade.api.annotation import Annotation
from crossfade.compile.gateway.annotation_table import ANNOTATIONS, LABELS
from crossfade.compile.gateway.annotations import LEGACY_KEYS
from crossfade.compile.mesh.annotation_table import MESH_ANNOTATIONS
from crossfade.inject.annotation_table import POD_ANNOTATIONS
from crossfade.inject.annotations import PREFIX as POD_PREFIX
from crossfade.inject.annotations import SIDECAR_KEY
from crossfade.inject.mesh_native import KEY as MESH_NATIVE_KEY

SOURCE = Path(__file__).resolve().parents[4] / "src" / "crossfade"
NAMES_OF_CONTROLLERS = {"konghq.com/kic-gateway-controller"}
KEY = re.compile(r"(?:konghq\.com|(?:ingress\.|ingressclass\.)?kubernetes\.io)/[a-zA-Z0-9.-]+")


def texts_of(path: Path) -> Iterator[str]:
    """The text literals of a module, without those of its docstrings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            yield node.value


def keys_read_by_the_gateway() -> set[str]:
    rooms = (SOURCE / "compile" / "gateway", SOURCE / "admission", SOURCE / "api" / "kong", SOURCE / "status")
    modules = [path for room in rooms for path in room.rglob("*.py") if path.name != "annotation_table.py"]
    return {text for path in modules for text in texts_of(path) if KEY.fullmatch(text)}


def keys_read_by_the_injector() -> set[str]:
    module = SOURCE / "inject" / "annotations.py"
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    keys = {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in ("value", "is_set")
        if isinstance(call.args[0], ast.Constant)
    }
    return {POD_PREFIX + key for key in keys}


def effective(table: tuple[Annotation, ...]) -> set[str]:
    return {one.key for one in table if not one.why_not}


def test_every_key_that_the_gateway_reads_is_in_the_table() -> None:
    known = {one.key for one in (*ANNOTATIONS, *LABELS)} | LEGACY_KEYS.keys() | NAMES_OF_CONTROLLERS
    assert keys_read_by_the_gateway() - known == set()


def test_the_gateway_reads_every_key_that_has_an_effect() -> None:
    assert effective(ANNOTATIONS) - keys_read_by_the_gateway() == set()


def test_the_table_of_pods_is_what_the_injector_reads() -> None:
    elsewhere = {"appmesh.k8s.aws/sidecarInjectorWebhook", SIDECAR_KEY, MESH_NATIVE_KEY}
    assert effective(POD_ANNOTATIONS) - elsewhere == keys_read_by_the_injector()


def test_no_key_is_told_twice() -> None:
    keys = [one.key for one in (*ANNOTATIONS, *LABELS, *POD_ANNOTATIONS, *MESH_ANNOTATIONS)]
    assert len(keys) == len(set(keys))


def test_every_entry_says_something() -> None:
    for one in (*ANNOTATIONS, *LABELS, *POD_ANNOTATIONS, *MESH_ANNOTATIONS):
        assert bool(one.effect) != bool(one.why_not), one.key
