"""A browser as far as signing in needs one: cookies by server, redirects one by one, forms that post themselves."""

import html
import http.client
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_ACTION = re.compile(r'<form[^>]* action="([^"]+)"')
MOST_REDIRECTS = 20


class Page(NamedTuple):
    """`set_cookies` are the lines that this answer had."""

    url: str
    status: int
    body: str
    headers: Mapping[str, str]
    set_cookies: tuple[str, ...]

    @property
    def location(self) -> str:
        return urljoin(self.url, self.headers["location"])


class Browser:
    """Cookies are kept by host and port, so that servers on loopback stay apart."""

    def __init__(self, cookies: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.cookies: dict[str, dict[str, str]] = {place: dict(kept) for place, kept in (cookies or {}).items()}

    def open(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, form: str | None = None
    ) -> Page:
        parts = urlsplit(url)
        kept = self.cookies.setdefault(parts.netloc, {})
        sent = dict(headers or {})
        if kept:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        try:
            connection.request(method, parts._replace(scheme="", netloc="", fragment="").geturl() or "/", form, sent)
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        lines = tuple(response.headers.get_all("set-cookie") or ())
        for line in lines:
            self._keep(kept, line)
        return Page(url, response.status, body, {k.lower(): v for k, v in response.headers.items()}, lines)

    def follow(self, page: Page, until: str = "no such address") -> Page:
        """To where nobody sends it further; or up to a redirect to an address that begins so."""
        for _ in range(MOST_REDIRECTS):
            if page.status in (302, 303):
                if page.location.startswith(until):
                    return page
                page = self.open(page.location)
            elif (action := _ACTION.search(page.body)) and _HIDDEN.search(page.body):
                fields = [(name, html.unescape(value)) for name, value in _HIDDEN.findall(page.body)]
                page = self.open(urljoin(page.url, html.unescape(action[1])), "POST", form=urlencode(fields))
            else:
                return page
        raise AssertionError(f"sent on and on, last to {page.location}")

    def visit(self, url: str) -> Page:
        return self.follow(self.open(url))

    @staticmethod
    def _keep(kept: dict[str, str], line: str) -> None:
        name, _, rest = line.partition("=")
        value, *attributes = rest.split(";")
        if any(attribute.strip().lower() == "max-age=0" for attribute in attributes) or "1970" in line:
            kept.pop(name, None)
        else:
            kept[name] = value
