from crossfade_local.apiserver.connections import Connections


def test_the_connection_that_has_asked_for_nothing_for_longest_makes_room() -> None:
    known: Connections[str] = Connections(most=3)
    assert [known.opened(name) for name in "abc"] == [None, None, None]
    known.began("a")
    known.began("b")
    known.ended("a")
    assert known.opened("d") == "c"
    known.closed("c")
    assert known.opened("e") == "a"


def test_where_all_are_busy_a_new_one_is_refused() -> None:
    known: Connections[str] = Connections(most=1)
    known.opened("a")
    known.began("a")
    assert known.opened("b") == "b"
    known.closed("b")
    known.closed("a")
    known.ended("a")
    assert known.opened("c") is None
