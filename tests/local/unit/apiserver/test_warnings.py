from crossfade_local.apiserver.wire.warnings import Warnings


def texts(*added: str) -> list[str]:
    warnings = Warnings()
    for text in added:
        warnings.add(text)
    return list(warnings)


def test_each_text_is_sent_once() -> None:
    assert texts("a", "", "b", "a") == ["a", "b"]


def test_long_ones_are_cut_when_all_together_are_too_long() -> None:
    assert texts("x" * 4000, "y" * 90) == ["x" * 4000, "y" * 90]
    assert texts("x" * 4000, "y" * 300, "z") == ["x" * 256, "y" * 256, "z"]


def test_there_is_an_end_to_them() -> None:
    found = texts(*(f"{number:05}" for number in range(100_000)))
    assert sum(map(len, found)) <= 4096 + 5
