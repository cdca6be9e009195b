"""The newest build of the policy module is the one that Envoy is told to load."""

import os
from pathlib import Path

import pytest

from crossfade.policy_module.path import policy_library_path


def test_the_newest_build_is_taken(tmp_path: Path) -> None:
    for age, name in enumerate(("libcrossfade_policy-b.so", "libcrossfade_policy-a.so")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(0, 1_000_000 - age))
    assert policy_library_path(tmp_path).name == "libcrossfade_policy-b.so"


def test_a_missing_build_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m generate"):
        policy_library_path(tmp_path)
