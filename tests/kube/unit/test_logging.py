import io
import json
import logging

import pytest

from crossfade_kube.logging import EventLog, JsonFormatter, LineFormatter


@pytest.fixture
def logged(request: pytest.FixtureRequest) -> tuple[EventLog, io.StringIO]:
    stream = io.StringIO()
    name = f"test.{request.node.name}"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(getattr(request, "param", LineFormatter)())
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return EventLog(name), stream


def test_one_event_is_one_line(logged: tuple[EventLog, io.StringIO]) -> None:
    log, stream = logged
    log.info("xds.nack", proxy="dj", version=7, reason='bad "x"\nline', empty="")
    text = stream.getvalue()
    assert text.endswith(' INFO xds.nack proxy=dj version=7 reason="bad \\"x\\"\\nline" empty=""\n')
    assert text.count("\n") == 1


@pytest.mark.parametrize("logged", [JsonFormatter], indirect=True)
def test_machines_get_json(logged: tuple[EventLog, io.StringIO]) -> None:
    log, stream = logged
    log.exception("task.failed", ValueError("x"), task="t", odd=object)
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["event"], entry["task"]) == ("ERROR", "task.failed", "t")
    assert "ValueError: x" in entry["traceback"]
