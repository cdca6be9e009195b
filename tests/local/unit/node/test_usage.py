"""What a container takes between two samples of /proc."""

import os
from pathlib import Path

import pytest

from crossfade_local.apiserver.handlers.usage import duration_text
from crossfade_local.kubelet.usage import (
    Reading,
    Sample,
    Usage,
    machine_reading,
    merged,
    process_reading,
    take_sample,
    usage_of_container,
    usage_of_machine,
)

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
STAT = "7 (a) b) S 1 7 7 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 1 0 4000 9000000 250 18446744073709551615 0 0"


def sample(at: float, **containers: Reading) -> Sample:
    return Sample(at, 0.0, Reading(at / 2, 1 << 30, 0.0), {int(name[1:]): one for name, one in containers.items()})


def test_a_process_counts_with_the_children_it_has_waited_for() -> None:
    assert process_reading(STAT) == Reading(250 / TICKS, 250 * PAGE, 4000 / TICKS)


def test_processes_of_a_container_add_up() -> None:
    assert merged(Reading(1.0, 10, 5.0), Reading(2.0, 20, 4.0)) == Reading(3.0, 30, 4.0)


def test_the_machine_is_its_own_processors_and_memory_that_is_not_to_be_had() -> None:
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 0 50 800 7 10 20 20 5 5\ncpu1 500 0 0 0 0 0 0 0 0 0\nintr 1 2\n"
    meminfo = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nHugePages_Total: 0\n"
    assert machine_reading(stat, meminfo, {0}) == Reading(200 / TICKS, 600 * 1024, 0.0)


@pytest.mark.parametrize(
    ("base", "latest", "expected"),
    [
        pytest.param(
            sample(100.0, n1=Reading(4.0, 7, 50.0)),
            sample(104.0, n1=Reading(5.0, 9, 50.0)),
            Usage(250_000_000, 9, 4.0),
            id="since the sample before",
        ),
        pytest.param(
            sample(100.0), sample(104.0, n1=Reading(1.0, 9, 102.0)), Usage(500_000_000, 9, 2.0), id="since it began"
        ),
        pytest.param(
            sample(100.0, n1=Reading(60.0, 9, 3.0)),
            sample(104.0, n1=Reading(1.0, 9, 102.0)),
            Usage(500_000_000, 9, 2.0),
            id="a number used again is another container",
        ),
        pytest.param(None, sample(104.0, n1=Reading(1.0, 9, 102.0)), Usage(500_000_000, 9, 2.0), id="no base"),
        pytest.param(sample(100.0), sample(104.0, n1=Reading(1.0, 9, 103.5)), None, id="has only just begun"),
        pytest.param(sample(100.0, n1=Reading(1.0, 9, 3.0)), sample(104.0), None, id="has ended"),
        pytest.param(
            sample(100.0, n1=Reading(8.0, 7, 50.0)),
            sample(104.0, n1=Reading(5.0, 9, 50.0)),
            Usage(0, 9, 4.0),
            id="a program that was run beside has ended",
        ),
    ],
)
def test_usage(base: Sample | None, latest: Sample, expected: Usage | None) -> None:
    assert usage_of_container(1, base, latest) == expected


def test_usage_of_the_machine_needs_a_base() -> None:
    assert usage_of_machine(None, sample(4.0)) is None
    assert usage_of_machine(sample(100.0), sample(104.0)) == Usage(500_000_000, 1 << 30, 4.0)


def test_a_sample_finds_the_processes_of_a_mount_namespace() -> None:
    number = Path("/proc/self/ns/mnt").stat().st_ino
    found = take_sample({number, -1})
    assert set(found.containers) == {number}
    assert found.containers[number].memory > 1 << 20
    assert 0 < found.containers[number].began < found.at


@pytest.mark.parametrize(
    ("seconds", "text"), [(15.0, "15s"), (2.0014, "2.001s"), (0.5, "0.5s"), (60.0, "1m0s"), (119.9999, "2m0s")]
)
def test_windows_are_written_as_go_does(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
