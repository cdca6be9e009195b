"""What the Admin API asks of the proxy's cache, and what it answers by itself."""

import pytest

from crossfade.admin_api.access import POD_SOCKET, new_access
from crossfade.admin_api.cached import what_is_asked
from crossfade.admin_api.pages import Book

KEY = "ab" * 32
BOOK = Book({"plugins": [{"id": "p1", "name": "proxy-cache"}, {"id": "p2", "name": "key-auth"}]})


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("DELETE", "/proxy-cache", ("DELETE", "/")),
        ("DELETE", "/proxy-cache/", ("DELETE", "/")),
        ("DELETE", f"/proxy-cache/{KEY}", ("DELETE", f"/{KEY}")),
        ("GET", f"/proxy-cache/{KEY}", ("GET", f"/{KEY}")),
        ("HEAD", f"/proxy-cache/{KEY}", ("GET", f"/{KEY}")),
        ("GET", f"/proxy-cache/p1/caches/{KEY}", ("GET", f"/{KEY}")),
        ("DELETE", f"/proxy-cache/p1/caches/{KEY}", ("DELETE", f"/{KEY}")),
    ],
)
def test_the_proxy_is_asked(method: str, path: str, expected: tuple[str, str]) -> None:
    assert what_is_asked(BOOK, method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/proxy-cache", 405),
        ("POST", f"/proxy-cache/{KEY}", 405),
        ("DELETE", f"/proxy-cache/{KEY[1:]}", 404),
        ("DELETE", f"/proxy-cache/{KEY.upper()}", 404),
        ("DELETE", "/proxy-cache/..%2f" + KEY, 404),
        ("GET", f"/proxy-cache/p2/caches/{KEY}", 404),
        ("GET", f"/proxy-cache/p9/caches/{KEY}", 404),
        ("GET", f"/proxy-cache/p1/other/{KEY}", 404),
        ("GET", f"/proxy-cache/p1/caches/{KEY}/x", 404),
    ],
)
def test_the_proxy_is_not_asked(method: str, path: str, status: int) -> None:
    found = what_is_asked(BOOK, method, path)
    assert found[0] == status


def test_without_the_plugin_nothing_is_there() -> None:
    assert what_is_asked(Book({"plugins": []}), "DELETE", "/proxy-cache")[0] == 204
    assert what_is_asked(Book({"plugins": []}), "DELETE", f"/proxy-cache/{KEY}")[0] == 404


def test_every_access_is_its_own() -> None:
    one, two, pod = new_access(), new_access(), new_access(POD_SOCKET)
    assert len({one.token, two.token, pod.token}) == 3
    assert one.socket != two.socket
    assert pod.socket == POD_SOCKET
    assert one.token not in repr(one)
