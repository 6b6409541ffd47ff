import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from gateway.telemetry import log

SECRET = 'pass"word\\7'


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(log, "_secrets", set())
    request_id, serial = log.request_id.set(""), log.serial.set("")
    yield
    log.request_id.reset(request_id)
    log.serial.reset(serial)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_logger_message_context_and_extra() -> None:
    stream = io.StringIO()
    log.configure("json", "INFO", stream)
    log.begin_request("r-1", "AB" * 32)
    logging.getLogger("gateway.x").info("opened %s", "it", extra={"seconds": 0.5})
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(line.pop("timestamp")))
    assert line == {
        "level": "INFO",
        "logger": "gateway.x",
        "message": "opened it",
        "request_id": "r-1",
        "serial": "AB" * 32,
        "seconds": 0.5,
    }


async def test_a_request_in_a_task_of_its_own_leaves_no_context_behind() -> None:
    stream = io.StringIO()
    log.configure("json", "INFO", stream)

    async def request() -> None:
        log.begin_request("inner", "S")
        logging.info("a")  # noqa: LOG015

    log.begin_request("outer", "")
    await asyncio.create_task(request())
    logging.info("b")  # noqa: LOG015
    assert [(line.get("request_id"), line.get("serial")) for line in lines(stream)] == [("inner", "S"), ("outer", None)]


def test_auto_means_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = _Terminal(), io.StringIO()
    log.configure("auto", "INFO", terminal)
    log.begin_request("r-2", "AB" * 32)
    logging.getLogger("gateway.x").warning("low")
    log.begin_request("", "")
    log.configure("auto", "INFO", pipe)
    logging.getLogger("gateway.x").warning("low")
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING gateway.x: low \(request r-2, TSE ABABABAB\)\n", terminal.getvalue())
    assert lines(pipe)[0]["message"] == "low"


def test_standard_error_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log.configure("json")
    logging.getLogger("gateway.x").error("here")
    assert lines(stream)[0]["message"] == "here"


def test_trace_lies_below_debug() -> None:
    stream = io.StringIO()
    log.configure("json", "DEBUG", stream)
    logging.getLogger("gateway.x").log(log.TRACE, "sector")
    assert not stream.getvalue()
    log.configure("json", "TRACE", stream)
    logging.getLogger("gateway.x").log(log.TRACE, "sector")
    assert lines(stream)[0]["level"] == "TRACE"


def _log_the_secret_everywhere() -> None:
    logger = logging.getLogger("gateway.x")
    logger.info("token %s and %r", SECRET, SECRET.encode())
    logger.info("it is " + SECRET, extra={"a": [SECRET], "b": {SECRET: SECRET}, "c": None, "d": True})  # noqa: G003
    try:
        int(SECRET)
    except ValueError:
        logger.exception("failed")


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_registered_secret_is_masked_in_message_arguments_extra_and_exception(style: log.Format) -> None:
    log.register_secret(SECRET)
    stream = io.StringIO()
    log.configure(style, "INFO", stream)
    _log_the_secret_everywhere()
    shown = stream.getvalue()
    assert "word" not in shown
    assert shown.count("***") >= 4
    if style == "json":
        assert all(line["level"] in {"INFO", "ERROR"} for line in lines(stream))


def test_a_number_that_is_a_secret_is_masked_and_the_line_stays_json() -> None:
    log.register_secret("471100")
    stream = io.StringIO()
    log.configure("json", "INFO", stream)
    logging.getLogger("gateway.x").info("x", extra={"digits": 471100, "other": 471101, "nan": float("nan")})
    (line,) = lines(stream)
    assert (line["digits"], line["other"], line["nan"]) == ("***", 471101, "nan")


def test_a_secret_that_contains_another_one_is_masked_whole() -> None:
    log.register_secret("12345")
    log.register_secret("1234567890")
    assert log.redacted("<1234567890> <12345>") == "<***> <***>"


def test_what_is_too_short_for_a_secret_is_left_alone() -> None:
    log.register_secret("")
    log.register_secret("1234")
    assert log.redacted("1234") == "1234"
