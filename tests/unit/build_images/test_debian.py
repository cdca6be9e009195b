"""The lock file of Debian's packages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from images.debian import lock_text, read_all, read_lock

_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-~:", min_size=1, max_size=12)


@given(st.dictionaries(st.tuples(_WORD, st.sampled_from(["all", "amd64", "arm64"])), _WORD))
def test_what_is_written_is_read(versions: dict[tuple[str, str], str]) -> None:
    assert read_all(lock_text(versions)) == versions


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("amd64", {"libc6": "2.36-9", "ca-certificates": "20250419"}),
        ("arm64", {"libc6": "2.36-9+b1", "ca-certificates": "20250419"}),
        ("riscv64", {"ca-certificates": "20250419"}),
    ],
)
def test_packages_for_all_architectures_count_for_each(architecture: str, expected: dict[str, str]) -> None:
    text = "# A comment\nca-certificates 20250419 all\nlibc6 2.36-9 amd64\nlibc6 2.36-9+b1 arm64\n"
    assert read_lock(text, architecture) == expected
