"""Questions to the policy module's own parsers and router, by its C interface (`filters/src/library.rs`)."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from crossfade.policy_module.path import policy_library_path
from crossfade.policy_module.rehearsal import Question, Rehearsal

CheckedKind = Literal["settings", "route", "instance", "consumer", "consumer_group", "regex", "header", "host", "path"]
"""`regex` is a path's, `path` a plain one; `header` is one value to match, which is a regex after `~*`."""

_LONGEST_ANSWER: Final = 2048
# Regexes and configurations come again with every compilation.
_REMEMBERED: Final = 100_000
# Longer ones are rare, and a few of them would take all memory.
_LONGEST_REMEMBERED: Final = 4096


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(policy_library_path()))
    text = (ctypes.c_char_p, ctypes.c_size_t)
    place = (ctypes.c_char_p, ctypes.c_size_t)
    library.crossfade_check.argtypes = (*text, *text, *place)
    library.crossfade_check.restype = ctypes.c_size_t
    library.crossfade_plugins.argtypes = place
    library.crossfade_plugins.restype = ctypes.c_size_t
    library.crossfade_tables_new.argtypes = text
    library.crossfade_tables_new.restype = ctypes.c_void_p
    library.crossfade_tables_free.argtypes = (ctypes.c_void_p,)
    library.crossfade_tables_free.restype = None
    library.crossfade_tables_problems.argtypes = (ctypes.c_void_p, *place)
    library.crossfade_tables_problems.restype = ctypes.c_size_t
    library.crossfade_tables_choose.argtypes = (ctypes.c_void_p, *text, *place)
    library.crossfade_tables_choose.restype = ctypes.c_size_t
    library.crossfade_tables_rehearse.argtypes = (ctypes.c_void_p, *text, *place)
    library.crossfade_tables_rehearse.restype = ctypes.c_size_t
    return library


def problem(kind: CheckedKind, config: str) -> str | None:
    """Why the module could not use the configuration, None if it can. Raises FileNotFoundError without the library."""
    return _remembered_problem(kind, config) if len(config) <= _LONGEST_REMEMBERED else _problem(kind, config)


@lru_cache(maxsize=_REMEMBERED)
def _remembered_problem(kind: CheckedKind, config: str) -> str | None:
    return _problem(kind, config)


def _problem(kind: CheckedKind, config: str) -> str | None:
    library, answer = _library(), ctypes.create_string_buffer(_LONGEST_ANSWER)
    # A lone surrogate, which JSON can spell, is no text for the module either.
    raw_kind, raw = kind.encode(), config.encode("utf-8", "replace")
    length = library.crossfade_check(raw_kind, len(raw_kind), raw, len(raw), answer, _LONGEST_ANSWER)
    return answer.raw[:length].decode() or None


def plugin_names() -> frozenset[str]:
    """The plugins that the module carries out."""
    answer = ctypes.create_string_buffer(_LONGEST_ANSWER)
    length = _library().crossfade_plugins(answer, _LONGEST_ANSWER)
    return frozenset(answer.raw[:length].decode().split())


class Request(Struct, frozen=True, omit_defaults=True):
    """`path` is normalised and without query, `host` without port, names of headers in lower case."""

    path: str
    host: str = ""
    method: str = "GET"
    scheme: Literal["http", "https"] = "http"
    sni: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


_TEXTS: Final = msgspec.json.Decoder(list[str])
_REHEARSAL: Final = msgspec.json.Decoder(Rehearsal)
_CHOSEN: Final = msgspec.json.Decoder(list[str | None])


class Tables:
    """A state of the module's tables outside of Envoy: answers which routes requests would take."""

    def __init__(self, settings: Mapping[str, Any], shards: Sequence[Mapping[str, Any]]) -> None:
        """Raises ValueError when the tables cannot be read."""
        raw = msgspec.json.encode({"settings": settings, "shards": shards})
        self._library = _library()
        self._tables = self._library.crossfade_tables_new(raw, len(raw))
        if not self._tables:
            raise ValueError("the policy module cannot read these tables")
        self._answer = ctypes.create_string_buffer(_LONGEST_ANSWER)

    def __del__(self) -> None:
        if getattr(self, "_tables", None):
            self._library.crossfade_tables_free(self._tables)

    def problems(self) -> list[str]:
        """What was left out of the tables because the module cannot read it."""
        return _TEXTS.decode(self._answered(self._library.crossfade_tables_problems))

    def choose(
        self,
        path: str,
        *,
        host: str = "",
        method: str = "GET",
        scheme: Literal["http", "https"] = "http",
        sni: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> str | None:
        """The id of the route that one `Request` takes."""
        return self.choose_all([Request(path, host, method, scheme, sni, headers)])[0]

    def choose_all(self, requests: Sequence[Request]) -> list[str | None]:
        """The ids of the routes that the requests take, all with one call. Raises ValueError for half a character."""
        raw = msgspec.json.encode(requests)
        return _CHOSEN.decode(self._answered(self._library.crossfade_tables_choose, raw, len(raw)))

    def rehearse(self, question: Question) -> Rehearsal:
        """What becomes of one request; counts for nobody. Raises ValueError for half a character."""
        raw = msgspec.json.encode(question)
        return _REHEARSAL.decode(self._answered(self._library.crossfade_tables_rehearse, raw, len(raw)))

    def _answered(self, ask: Callable[..., int], *question: object) -> bytes:
        """Asks again with more room when there was too little."""
        length = ask(self._tables, *question, self._answer, len(self._answer))
        while length > len(self._answer):
            self._answer = ctypes.create_string_buffer(length)
            length = ask(self._tables, *question, self._answer, length)
        return ctypes.string_at(self._answer, length)
