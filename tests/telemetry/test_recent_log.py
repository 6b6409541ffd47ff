"""The lines of the last hour are kept, with what they are about and without secrets."""

import logging
import re
from contextvars import copy_context

from gateway.telemetry.log import begin_request, register_secret, shared_with
from gateway.telemetry.recent_log import RecentLog

log = logging.getLogger("gateway.test")


def test_a_line_is_kept_for_an_hour_with_its_request_and_its_secrets_masked() -> None:
    now = 0.0
    register_secret("wrong-horse-battery")
    with shared_with(RecentLog(now=lambda: now)) as kept:
        log.setLevel(logging.INFO)
        copy_context().run(_told_in_a_request)
        (line,) = kept.lines()
        now = line.at + 3599
        assert kept.lines() == [line]
        now += 2
        assert kept.lines() == []
    assert (line.text, line.level, line.event, line.serial, line.request_id) == (
        *("the word is ***", "INFO", "told"),
        *("AB", "r1"),
    )


def _told_in_a_request() -> None:
    begin_request("r1", "AB")
    log.info("the word is %s", "wrong-horse-battery", extra={"event": "told"})


def test_lines_are_chosen_by_level_and_an_exception_is_told_with_its_traceback() -> None:
    with shared_with(RecentLog()) as kept:
        log.setLevel(logging.INFO)
        log.info("first")
        log.error("second", exc_info=RuntimeError("broken"))
        assert [line.level for line in kept.lines()] == ["INFO", "ERROR"]
        (line,) = kept.lines(logging.WARNING)
    assert re.fullmatch(r"second\nRuntimeError: broken", line.text)


def test_no_more_lines_are_kept_than_there_is_memory_for() -> None:
    with shared_with(RecentLog()) as kept:
        log.setLevel(logging.INFO)
        for number in range(2100):
            log.info("%d", number)
        assert [line.text for line in kept.lines()] == [str(number) for number in range(100, 2100)]
