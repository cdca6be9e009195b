"""Which chain takes a connection, by its server name."""

import pytest

from crossfade.compile.model import Direction, FilterChain, Listener, TcpHandler
from crossfade.explain.listening import picked_chain

HANDLER = TcpHandler((), "tcp")
LISTENER = Listener(
    "tcp",
    "0.0.0.0",
    9443,
    Direction.INBOUND,
    (
        FilterChain("exact", HANDLER, server_names=("a.test", "x.b.test")),
        FilterChain("one label", HANDLER, one_label_names=("*.b.test",)),
        FilterChain("any number", HANDLER, server_names=("*.b.test", "*.c.b.test")),
        FilterChain("others", HANDLER),
    ),
)


@pytest.mark.parametrize(
    ("server_name", "name"),
    [
        ("a.test", "exact"),
        ("x.b.test", "exact"),
        ("y.b.test", "one label"),
        ("z.y.b.test", "any number"),
        ("z.c.b.test", "any number"),
        ("b.test", "others"),
        ("test", "others"),
        ("", "others"),
    ],
)
def test_which_chain(server_name: str, name: str) -> None:
    chain = picked_chain(LISTENER, server_name)
    assert chain is not None
    assert chain.name == name
