"""The queue before a TSE: who waits, who hangs up, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from gateway.driver.protocols import TseDriver
from gateway.errors import DeviceGone, DeviceTimeout
from gateway.fleet.commands.connection import TseConnection
from gateway.i18n.text import NOTHING
from tests.texts import said

DRIVER = cast("TseDriver", object())  # it is handed on and never called here


class Watch:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def connection(watch: Watch) -> TseConnection:
    return TseConnection(DRIVER, watch)


async def idle() -> None:
    """Let everybody do what they can do now."""
    for _ in range(10):
        await asyncio.sleep(0)


async def carried_out(connection: TseConnection, work: Callable[[TseDriver], Awaitable[Any]]) -> Any:
    await connection.take_turn()
    return await connection.run(work, 5)


async def test_work_is_done_one_after_the_other_in_the_order_it_came(connection: TseConnection) -> None:
    seen: list[str] = []

    def work(name: str) -> Callable[[TseDriver], Awaitable[str]]:
        async def do(driver: TseDriver) -> str:
            assert driver is DRIVER
            assert connection.busy
            seen.append(f"{name} begins")
            await asyncio.sleep(0)
            seen.append(f"{name} ends")
            return name

        return do

    assert (connection.busy, connection.reason, connection.code) == (False, NOTHING, "")
    names = await asyncio.gather(*(carried_out(connection, work(name)) for name in "abc"))
    assert names == ["a", "b", "c"]
    assert seen == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
    assert not connection.busy


async def test_an_error_of_the_work_is_that_of_the_caller_and_the_next_has_its_turn(connection: TseConnection) -> None:
    async def fails(_: TseDriver) -> None:
        raise DeviceTimeout(said("no answer"))

    with pytest.raises(DeviceTimeout):
        await carried_out(connection, fails)
    await idle()
    assert not connection.busy


async def test_what_has_begun_is_finished_though_the_caller_hangs_up(connection: TseConnection) -> None:
    finish, ended = asyncio.Event(), []

    async def work(_: TseDriver) -> None:
        await finish.wait()
        ended.append(True)

    caller = asyncio.create_task(carried_out(connection, work))
    await idle()
    caller.cancel()
    await idle()
    assert (caller.cancelled(), connection.busy) == (True, True)
    finish.set()
    await idle()
    assert (ended, connection.busy) == ([True], False)


@pytest.mark.parametrize("granted_meanwhile", [False, True])
async def test_who_hangs_up_while_it_waits_keeps_nobody_from_the_tse(
    connection: TseConnection, granted_meanwhile: bool
) -> None:
    await connection.take_turn()
    waiting = asyncio.create_task(connection.take_turn())
    await idle()
    if granted_meanwhile:
        connection._hand_on()  # as by work that ends in the moment in which the next one hangs up
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if not granted_meanwhile:
        connection._hand_on()
    await idle()
    assert not connection.busy


async def test_when_it_is_over_nobody_waits_any_longer(connection: TseConnection) -> None:
    hanging = asyncio.create_task(carried_out(connection, lambda _: asyncio.Event().wait()))
    waiting = asyncio.create_task(connection.take_turn())
    await idle()
    connection.end(said("the TSE was unplugged"), "device_gone")
    for task in (hanging, waiting):
        with pytest.raises(DeviceGone, match="unplugged"):
            await task
    assert (connection.over.is_set(), connection.code) == (True, "device_gone")


async def test_when_it_is_over_a_turn_that_was_free_is_given_to_nobody_and_stays_free(
    connection: TseConnection,
) -> None:
    connection.end(said("the TSE was unplugged"), "device_gone")
    for _ in range(2):
        with pytest.raises(DeviceGone, match="unplugged"):
            await connection.take_turn()
        await idle()
        assert not connection.busy


async def test_it_is_late_while_work_takes_longer_than_expected(connection: TseConnection, watch: Watch) -> None:
    finish = asyncio.Event()
    caller = asyncio.create_task(carried_out(connection, lambda _: finish.wait()))
    await idle()
    seen = [connection.late]
    watch.now += 4.9
    seen.append(connection.late)
    watch.now += 0.1
    seen.append(connection.late)
    finish.set()
    await caller
    assert [*seen, connection.late] == [False, False, True, False]


async def test_a_drained_connection_lets_nothing_follow(connection: TseConnection) -> None:
    finish = asyncio.Event()
    running = asyncio.create_task(carried_out(connection, lambda _: finish.wait()))
    await idle()
    drained = asyncio.create_task(connection.drain())
    late = asyncio.create_task(connection.take_turn())
    await idle()
    assert not drained.done()
    finish.set()
    await running
    await drained
    await idle()
    assert not late.done()
    late.cancel()
