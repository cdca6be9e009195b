"""How counted instructions are read and judged."""

import pytest
from benchmarks.callgrind import counted
from benchmarks.instructions import CASES, module_tables, of_module, verdict

DUMP = """\
version: 1
events: Ir
fl=(1) ???
ob=(1) /usr/bin/envoy
fn=(1) 0x1
0x10 5
+1 7
cob=(2) /lib/libcrossfade_policy-1.so
cfn=(2) on_request
calls=3 0x20
+1 900
* 2

ob=(2)
fn=(2)
0x20 40
-4 2
+8
ob=(1)
fn=(3) 0x2
16 1
"""


def test_what_is_called_counts_where_it_is_done() -> None:
    found = counted(DUMP)
    assert found == {"/usr/bin/envoy": 15, "/lib/libcrossfade_policy-1.so": 42}
    assert of_module(counted(DUMP.replace("/lib/", ""))) == 42


@pytest.mark.parametrize(
    ("before", "now", "begins"),
    [(None, 1, "not"), (100, 103, ""), (100, 104, "MORE"), (100, 97, ""), (100, 96, "less")],
)
def test_what_is_said_of_a_count(before: int | None, now: int, begins: str) -> None:
    assert verdict(before, now).startswith(begins)
    assert bool(begins) is bool(verdict(before, now))


def test_each_case_has_a_route_with_its_plugins() -> None:
    made = module_tables(CASES)
    assert len(made["routes"]) == len(CASES)
    assert len({one["id"] for one in made["instances"]}) == sum(len(case.plugins) for case in CASES.values())
