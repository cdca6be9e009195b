"""Certificates of names, and which clients are asked for their own."""

import pytest

from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.client_certificates import NOBODY_ASKED, AskedNames
from crossfade.compile.gateway.served_names import served_names
from crossfade.compile.model import ServerCertificate
from crossfade.compile.routing.origin import Origin
from crossfade_kube.meta import ObjectRef

DEFAULT = ServerCertificate("default", "key")


def named(secret: str, *names: str) -> NamedCertificate:
    origin = Origin(ObjectRef("v1", "Secret", "shop", secret))
    return NamedCertificate(origin, names, ServerCertificate(secret, "key"))


CERTIFICATES = [
    named("one", "a.test", "b.test"),
    named("two", "*.c.test", "x.c.test", "d.*"),
    named("three", "*.e.c.test"),
]
Shown = tuple[str, tuple[str, ...], tuple[str, ...], str | None]
"""Certificate, names, names of one label, and what clients are told."""
ALL: list[Shown] = [
    ("one", ("a.test", "b.test"), (), None),
    ("two", ("x.c.test",), ("*.c.test",), None),
    ("three", (), ("*.e.c.test",), None),
    ("default", (), (), None),
]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(NOBODY_ASKED, ALL, id="nobody"),
        pytest.param(AskedNames({}, ("pem",)), [(*shown, "pem") for *shown, _ in ALL], id="everybody, in one way"),
        pytest.param(
            AskedNames({"b.test": ()}),
            [("one", ("a.test",), (), None), ("one", ("b.test",), (), ""), *ALL[1:]],
            id="one of two names of a certificate",
        ),
        pytest.param(
            AskedNames({"y.c.test": (), "z.e.c.test": (), "c.test": (), "z.y.c.test": ()}),
            [
                ALL[0],
                ALL[1],
                ("two", ("y.c.test",), (), ""),
                ALL[2],
                ("three", ("z.e.c.test",), (), ""),
                ("default", ("c.test", "z.y.c.test"), (), ""),
                ALL[3],
            ],
            id="names that a wildcard or nothing covers",
        ),
        pytest.param(
            AskedNames({"*.c.test": ("pem", "pem2"), "a.test": ("pem",)}, ()),
            [
                ("one", ("a.test",), (), "pem"),
                ("one", ("b.test",), (), ""),
                ("two", ("x.c.test",), ("*.c.test",), "pempem2"),
                ("three", (), ("*.e.c.test",), "pempem2"),
                ("default", ("*.c.test",), (), "pempem2"),
                ("default", (), (), ""),
            ],
            id="everybody, some in other ways",
        ),
    ],
)
def test_who_is_asked(asked: AskedNames, expected: list[Shown]) -> None:
    found = list(served_names(DEFAULT, CERTIFICATES, asked))
    told = [
        (one.certificate.chain_pem, one.server_names, one.one_label_names, one.asked and one.asked.authorities_pem)
        for one in found
    ]
    assert told == expected
    assert len({one.name for one in found}) == len(found)
    # Of several ways to the same name Envoy would refuse all.
    for names in (
        [name for one in found for name in one.server_names],
        [n for one in found for n in one.one_label_names],
    ):
        assert len(set(names)) == len(names)
