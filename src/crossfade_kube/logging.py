"""Events as lines: one event name, typed fields, one line on stderr.

`log.info("xds.nack", proxy=id, version=v)` gives `2026-01-02T03:04:05.678Z INFO xds.nack proxy=… version=…`. What logs
through the standard library with `extra={"fields": {...}}` comes out the same.
"""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson


class EventLog:
    """A logger whose message is an event name (`noun.happened`) and whose keyword arguments are its fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: object) -> None:
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: object) -> None:
        """What an operator would do something about, or would want to know happened."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: object) -> None:
        self._logger.error(event, extra={"fields": fields})

    def exception(self, event: str, exc: BaseException, **fields: object) -> None:
        """A bug: the traceback follows on the next lines."""
        self._logger.error(event, extra={"fields": fields}, exc_info=exc)


def configure(level: str = "INFO", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Sends every log record of the process to `stream` (default stderr), one line each."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line per request of our own servers is noise; failures come as warnings.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class LineFormatter(logging.Formatter):
    """For people; values with spaces, quotes or line ends are quoted, so that one event is always one line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={_shown(value)}" for key, value in _fields_of(record).items())
        line = f"{_time_of(record)} {record.levelname} {_shown_event(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """For machines."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {"time": _time_of(record), "level": record.levelname, "event": record.getMessage()}
        entry |= {key: value for key, value in _fields_of(record).items() if key not in entry}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


def _time_of(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def _shown_event(text: str) -> str:
    return text.replace("\n", "\\n")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    if text and text.isprintable() and not any(mark in text for mark in ' "='):
        return text
    return orjson.dumps(text).decode()
