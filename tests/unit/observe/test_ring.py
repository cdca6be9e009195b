"""The last records are kept, and no more than may be."""

from crossfade.observe.ring import Ring


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def texts(ring: Ring, *words: str) -> list[bytes]:
    return [kept.text for kept in ring.holding(words)]


def test_the_newest_come_first() -> None:
    ring = Ring(Clock())
    for text in (b"a 1", b"b", b"a 2"):
        ring.add("p", text)
    assert texts(ring, "a") == [b"a 2", b"a 1"]
    assert texts(ring, "1", "b") == [b"b", b"a 1"]
    assert texts(ring, "c") == []


def test_a_traces_id_is_found_also_where_it_stands_as_bytes() -> None:
    ring, trace = Ring(Clock()), "0af7651916cd43dd8448eb211c80319c"
    for text in (b"\x01" + bytes.fromhex(trace), trace.encode(), b"neither"):
        ring.add("p", text)
    assert texts(ring, trace) == [trace.encode(), b"\x01" + bytes.fromhex(trace)]
    assert texts(ring, trace[:30] + "zz", trace[1:]) == [trace.encode()]


def test_number_age_and_bytes_are_bounded() -> None:
    clock = Clock()
    few = Ring(clock, most=2)
    for number in range(5):
        few.add("p", b"%d" % number)
    assert (len(few), texts(few, "3", "4")) == (2, [b"4", b"3"])
    small = Ring(clock, most_bytes=1000)
    for _ in range(50):
        small.add("p", b"x" * 100)
    assert small.size_bytes <= 1000
    old = Ring(clock, oldest_s=10)
    old.add("p", b"old")
    clock.now_s = 11
    old.add("p", b"new")
    assert (texts(old, "old", "new"), len(old)) == ([b"new"], 1)
    small.add("p", b"y" * 2000)
    assert (len(small), small.size_bytes) == (0, 0)
