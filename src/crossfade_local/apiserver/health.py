"""`/healthz`, `/livez` and `/readyz`: one check at a time or all, with `?verbose` and `?exclude=NAME`."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.wire.answers import Answer, BytesAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import PageNotFoundError

_TEXT: Final = "text/plain; charset=utf-8"


class _Check(NamedTuple):
    name: str
    problem: str

    @property
    def line(self) -> str:
        return f"[-]{self.name} failed: {self.problem}\n" if self.problem else f"[+]{self.name} ok\n"


def answer(api: Api, call: Call, path: str) -> Answer:
    """`path` is one of the three, with the name of a check behind it or not."""
    whole, _, name = path.strip("/").partition("/")
    checks = list(_checks(api))
    if name:
        checks = [check for check in checks if check.name == name]
        if not checks:
            raise PageNotFoundError
    excluded = call.query.get("exclude", "")
    checks = [check for check in checks if name or check.name != excluded]
    failed = [check for check in checks if check.problem]
    if failed:
        lines = checks if "verbose" in call.query or not name else failed
        text = "".join(check.line for check in lines) + f"{whole} check failed\n"
        return BytesAnswer(text.encode(), _TEXT, status=500)
    if "verbose" in call.query and not name:
        text = "".join(check.line for check in checks) + f"{whole} check passed\n"
        return BytesAnswer(text.encode(), _TEXT)
    return BytesAnswer(b"ok", _TEXT)


def _checks(api: Api) -> Iterator[_Check]:
    yield _Check("ping", "")
    yield _Check("state", api.storage.check())
