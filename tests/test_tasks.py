"""Work beside other work, and the waits between attempts."""

import asyncio
import sys

import pytest

from gateway.tasks import Backoff, begun, beside


def waits(backoff: Backoff, count: int) -> list[float]:
    return [backoff.next() for _ in range(count)]


def test_each_wait_is_twice_the_one_before_until_the_longest() -> None:
    assert waits(Backoff(60.0, 300.0), 5) == [60, 120, 240, 300, 300]


def test_after_a_reset_the_waits_begin_again() -> None:
    backoff = Backoff(1.0, 8.0)
    waits(backoff, 3)
    backoff.reset()
    assert waits(backoff, 2) == [1, 2]


def test_whoever_skips_to_the_longest_wait_stays_there() -> None:
    backoff = Backoff(0.25, 10.0)
    backoff.skip_to_longest()
    assert waits(backoff, 2) == [10, 10]


def test_a_shorter_limit_applies_to_the_next_wait() -> None:
    backoff = Backoff(4.0, 30.0, factor=1.5)
    backoff.longest = 5.0
    assert waits(backoff, 2) == [4, 5]


async def test_work_that_has_begun_goes_on_by_itself_and_its_task_tells_the_result() -> None:
    go_on, seen = asyncio.Event(), []

    async def work() -> str:
        seen.append("begun")
        await go_on.wait()
        return "done"

    task = begun(work())
    assert seen == (["begun"] if sys.version_info >= (3, 12) else [])
    go_on.set()
    assert await task == "done"


async def test_work_that_fails_beside_other_work_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def go_on() -> None:
        await asyncio.Event().wait()

    async with beside(archive=fail(), sweep=go_on()):
        for _ in range(3):  # it fails in the first turn of the loop, and is told in the second
            await asyncio.sleep(0)
    (record,) = caplog.records
    assert record.getMessage().startswith("archive ended by an error")
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
