"""The driver for TSEs behind another connector: its lock, and what happens when something goes wrong."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.driver.lan.driver import LanDriver, LockTimes
from gateway.driver.lan.sessions import SESSIONS, OpenSessions
from gateway.driver.lan.upstream import Upstream
from gateway.driver.usb.block import Deadlines
from gateway.errors import CommandRejected, DeviceError, DeviceGone, DeviceTimeout, InvalidSession, LockRefused
from gateway.fleet.lock.queue import Lease
from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import (
    FILTER_OPEN_END,
    CloseImport,
    FlashHealth,
    LastTransaction,
    Login,
    Logout,
    NextExportPart,
    OpenImport,
    Part,
    SelfTest,
    StartExport,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.info import TseInfo
from tests.driver.lan.upstreams import TOKEN, Relay, Served, gateway_over
from tests.lan_client import LanClient, LanError
from tests.support import ADMIN_PIN, CLIENT, receipt, set_up

HEALTH = FlashHealth().encode()
START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
SIGN = CloseImport().encode()
FOR_EVER = LockTimes(quiet=600, after_info=600, unfinished=600, longest=600)
Make = Callable[..., LanDriver]


@pytest.fixture
async def served(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[Served]:
    async with gateway_over(tse, tmp_path / "upstream", lock_wait=10) as running:
        yield running


@pytest.fixture
async def make(served: Served, tse: SimulatedTse) -> AsyncIterator[Make]:
    made = []

    def driver(upstream: Upstream | None = None, lock_times: LockTimes = FOR_EVER) -> LanDriver:
        made.append(LanDriver(upstream or served.upstream(), tse.serial.hex(), lock_times=lock_times))
        return made[-1]

    yield driver
    for each in made:
        await each.close()


@pytest.fixture
async def ready(make: Make, tse: SimulatedTse) -> LanDriver:
    driver = make()
    await set_up(driver.send_command, tse.serial)
    return driver


@pytest.fixture
async def other(served: Served) -> AsyncIterator[LanClient]:
    client = LanClient(served.port, TOKEN)
    await client.select()
    yield client
    await client.close()


@asynccontextmanager
async def relayed(served: Served) -> AsyncIterator[tuple[Relay, Upstream]]:
    relay = Relay(served.port)
    async with relay.listening() as port:
        yield relay, served.upstream(port)


def lease(served: Served) -> Lease | None:
    return served.registry.devices()[0].lock.lease


async def counter(driver: LanDriver) -> int:
    return TseInfo.decode(await driver.read_info()).created_signatures


# ---- the upstream's lock ---------------------------------------------------------


async def test_the_lock_is_given_back_after_silence(make: Make, served: Served, other: LanClient) -> None:
    driver = make(lock_times=replace(FOR_EVER, quiet=0.01))
    await driver.send_command(HEALTH)
    async with asyncio.timeout(5), other.locked():
        await other.send_command(HEALTH)


async def test_a_snapshot_gives_the_lock_back_sooner(make: Make, other: LanClient) -> None:
    driver = make(lock_times=replace(FOR_EVER, after_info=0.01))
    await driver.read_info()
    async with asyncio.timeout(5), other.locked():
        pass
    await driver.send_command(HEALTH)  # then the session is no mere snapshot
    await driver.read_info()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), other.locked():
            pass


async def test_the_lock_is_kept_from_verb_to_verb(make: Make, served: Served) -> None:
    driver = make()
    await driver.read_info()
    first = lease(served)
    await driver.send_command(HEALTH)
    await driver.read_store(0, 2)
    assert first is not None
    assert lease(served) is first


async def test_each_verb_begins_the_silence_anew(make: Make, served: Served) -> None:
    driver = make(lock_times=replace(FOR_EVER, quiet=0.1))
    await driver.send_command(HEALTH)
    driver._lock_times = FOR_EVER
    await driver.send_command(HEALTH)
    mine = lease(served)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await _until_free(served)
    assert lease(served) is mine


async def test_an_unfinished_import_keeps_the_lock(ready: LanDriver, served: Served, other: LanClient) -> None:
    ready._lock_times = replace(FOR_EVER, quiet=0.01)
    await ready.send_command(START)
    waiting = asyncio.create_task(other.request("GET", f"/lantse/api/v1/tse/{other.serial}/lock"))
    mine = lease(served)
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    assert lease(served) is mine
    TransactionReply.decode(await ready.send_command(SIGN))
    async with asyncio.timeout(5):
        await waiting


async def test_an_abandoned_import_is_aborted_before_the_upstream_loses_patience(
    ready: LanDriver, served: Served, other: LanClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.driver.lan.driver")
    ready._lock_times = replace(FOR_EVER, unfinished=0.01)
    await ready.send_command(START)
    async with asyncio.timeout(5), other.locked():
        assert not TseInfo.decode(await other.read_info()).import_in_progress
    assert "aborting the import" in caplog.text
    with pytest.raises(CommandRejected, match="0x1004"):
        await ready.send_command(SIGN)
    await receipt(ready.send_command, ready)


async def test_an_abandoned_export_is_aborted(ready: LanDriver, other: LanClient) -> None:
    ready._lock_times = replace(FOR_EVER, unfinished=0.01)
    await ready.send_command(StartExport(0, FILTER_OPEN_END, 0, FILTER_OPEN_END, b"").encode())
    async with asyncio.timeout(5), other.locked():
        with pytest.raises(LanError) as refused:
            await other.send_command(NextExportPart().encode())
        assert refused.value.number == 0x2001


async def test_an_export_that_was_read_to_its_end_keeps_nothing(ready: LanDriver, other: LanClient) -> None:
    await ready.send_command(StartExport(0, FILTER_OPEN_END, 0, FILTER_OPEN_END, b"").encode())
    ready._lock_times = replace(FOR_EVER, quiet=0.01)
    while Part.decode(await ready.send_command(NextExportPart().encode())).data:
        pass
    async with asyncio.timeout(5), other.locked():
        pass


async def test_a_login_keeps_the_lock_until_its_logout(ready: LanDriver, other: LanClient) -> None:
    ready._lock_times = replace(FOR_EVER, quiet=0.01, longest=0.01, login=600)
    await ready.send_command(Login(User.ADMIN, ADMIN_PIN).encode())
    await ready.send_command(HEALTH)
    waiting = asyncio.create_task(other.request("GET", f"/lantse/api/v1/tse/{other.serial}/lock"))
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    await ready.send_command(Logout(User.ADMIN).encode())
    async with asyncio.timeout(5):
        await waiting


async def test_a_login_without_logout_keeps_it_only_for_a_while(ready: LanDriver, other: LanClient) -> None:
    ready._lock_times = replace(FOR_EVER, quiet=0.01, longest=0.01, login=0.3)
    login = Login(User.ADMIN, ADMIN_PIN).encode()

    async def work() -> None:
        while True:
            await ready.send_command(login)

    working = asyncio.create_task(work())
    async with asyncio.timeout(5), other.locked():
        pass
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_work_without_pause_lets_others_have_their_turn(make: Make, other: LanClient) -> None:
    driver = make(lock_times=replace(FOR_EVER, longest=0.05))
    await driver.send_command(HEALTH)

    async def work() -> None:
        while True:
            await driver.send_command(HEALTH)

    working = asyncio.create_task(work())
    async with asyncio.timeout(5), other.locked():
        await other.send_command(HEALTH)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_verb_waits_while_another_client_holds_the_lock(make: Make, other: LanClient) -> None:
    driver = make()
    async with other.locked():
        verb = asyncio.create_task(driver.read_info())
        done, _ = await asyncio.wait({verb}, timeout=0.2)
        assert not done
    async with asyncio.timeout(5):
        assert (await verb)[:4] == b"GMIS"


async def test_a_refused_lock_is_no_failure_of_the_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    async with impatient(tse, tmp_path) as (driver, other):
        await driver.send_command(HEALTH)
        await driver._release()
        async with other.locked():
            with pytest.raises(LockRefused, match="another client held the TSE"):
                await driver.send_command(HEALTH)
        await driver.send_command(HEALTH)


async def test_a_tse_that_is_locked_when_first_reached_is_not_there_yet(tse: SimulatedTse, tmp_path: Path) -> None:
    async with impatient(tse, tmp_path) as (driver, other):
        async with other.locked():
            with pytest.raises(DeviceError, match="another client held the TSE"):
                await driver.read_info()
        await driver.read_info()


@asynccontextmanager
async def impatient(tse: SimulatedTse, tmp_path: Path) -> AsyncIterator[tuple[LanDriver, LanClient]]:
    """A driver and another client of an upstream that lets nobody wait for long."""
    async with gateway_over(tse, tmp_path / "impatient", lock_wait=0.1) as served:
        driver, other = (
            LanDriver(served.upstream(), tse.serial.hex(), lock_times=FOR_EVER),
            LanClient(served.port, TOKEN),
        )
        await other.select()
        yield driver, other
        await driver.close()
        await other.close()


async def test_a_lock_taken_back_is_taken_again(make: Make, served: Served) -> None:
    driver = make()
    await driver.send_command(HEALTH)
    _take_back(served)
    with pytest.raises(InvalidSession):
        await driver.send_command(HEALTH)
    await driver.send_command(HEALTH)


async def test_a_lock_taken_back_in_an_import_is_a_failure(ready: LanDriver, served: Served) -> None:
    await ready.send_command(START)
    _take_back(served)
    with pytest.raises(DeviceError, match="during an import"):
        await ready.send_command(SIGN)
    await ready.close()
    assert lease(served) is None


def _take_back(served: Served) -> None:
    held = lease(served)
    assert held is not None
    served.registry.devices()[0].lock.release(held.session)


async def test_close_gives_the_lock_back_and_aborts(ready: LanDriver, served: Served, other: LanClient) -> None:
    await ready.send_command(START)
    await ready.close()
    await ready.close()
    assert lease(served) is None
    async with other.locked():
        assert not TseInfo.decode(await other.read_info()).import_in_progress


# ---- nothing is done twice -------------------------------------------------------


async def test_a_signature_whose_answer_was_cut_off_is_made_once(ready: LanDriver, make: Make, served: Served) -> None:
    before = await counter(ready)
    await ready.close()
    async with relayed(served) as (relay, upstream):
        driver = make(upstream)
        await driver.send_command(START)
        relay.cut_at = "answer"
        with pytest.raises(DeviceGone, match="broke"):
            await driver.send_command(SIGN)
        await driver.close()
        again = make(upstream)
        assert await counter(again) == before + 1
        last = TransactionReply.decode(await again.send_command(LastTransaction(CLIENT).encode()))
        assert last.signature_counter == before + 1


async def test_a_command_cut_off_on_its_way_is_not_sent_again(ready: LanDriver, make: Make, served: Served) -> None:
    before = await counter(ready)
    await ready.close()
    async with relayed(served) as (relay, upstream):
        driver = make(upstream)
        await driver.send_command(START)
        relay.cut_at, connections = "request", relay.connections
        with pytest.raises(DeviceGone, match="broke"):
            await driver.send_command(SIGN)
        assert relay.connections == connections
        await driver.close()
        assert await counter(make(upstream)) == before


async def test_a_read_cut_off_is_repeated(make: Make, served: Served) -> None:
    async with relayed(served) as (relay, upstream):
        driver = make(upstream)
        await driver.read_info()
        for cut_at in ("request", "answer"):
            relay.cut_at = cut_at
            assert (await driver.read_info())[:4] == b"GMIS"
        assert relay.connections == 3


async def test_an_idle_connection_that_the_upstream_closed_is_no_trouble(make: Make, served: Served) -> None:
    async with relayed(served) as (relay, upstream):
        driver = make(upstream, lock_times=replace(FOR_EVER, quiet=0.01))
        await driver.send_command(HEALTH)
        await _until_free(served)
        relay.cut()
        await driver.send_command(HEALTH)


async def _until_free(served: Served) -> None:
    async with asyncio.timeout(5):
        while lease(served) is not None:  # noqa: ASYNC110 (what is waited for comes from a socket and has no event)
            await asyncio.sleep(0.005)


async def test_an_upstream_that_went_away_is_gone_and_close_does_not_wait_for_it(make: Make, served: Served) -> None:
    async with relayed(served) as (_, upstream):
        driver = make(upstream)
        await driver.send_command(HEALTH)
    with pytest.raises(DeviceGone):
        await driver.send_command(HEALTH)
    with pytest.raises(DeviceGone, match="cannot be reached"):
        await driver.read_info()
    async with asyncio.timeout(20):
        await driver.close()


async def test_an_upstream_that_does_not_answer_the_door_is_gone_and_no_session_is_told(
    make: Make, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.driver.lan.connection._CONNECT", 0.1)
    async with relayed(served) as (relay, upstream):
        driver = make(upstream)
        await driver.send_command(HEALTH)
        held = lease(served)
        assert held is not None
        relay.deaf = True
        relay.cut()
        with pytest.raises(DeviceGone, match="does not answer") as gone:
            await driver.read_info()
        assert str(held.session) not in "".join(traceback.format_exception(gone.value))
        await driver.close()


# ---- deadlines and errors ---------------------------------------------------------


async def test_an_answer_that_does_not_come_ends_at_the_deadline(ready: LanDriver, tse: SimulatedTse) -> None:
    ready._deadlines = Deadlines(command=0.2, slow=60)
    tse.faults.set("busy_forever")
    with pytest.raises(DeviceTimeout, match=r"within 0\.2 s"):
        await ready.send_command(HEALTH)
    tse.faults.clear()


async def test_a_self_test_may_take_longer(ready: LanDriver, tse: SimulatedTse) -> None:
    ready._deadlines = Deadlines(command=0.2, slow=60)
    tse.faults.set("busy_forever")
    verb = asyncio.create_task(ready.send_command(SelfTest(CLIENT).encode()))
    done, _ = await asyncio.wait({verb}, timeout=0.5)
    assert not done
    tse.faults.clear()
    async with asyncio.timeout(20):
        await verb


async def test_errors_and_log_hold_no_session_and_no_token(
    ready: LanDriver, served: Served, caplog: pytest.LogCaptureFixture, tse: SimulatedTse
) -> None:
    caplog.set_level(1)
    held = lease(served)
    assert held is not None
    ready._deadlines = Deadlines(command=0.1, slow=0.1)
    tse.faults.set("hung")
    errors = []
    verbs: list[Callable[[], Awaitable[object]]] = [ready.read_info, lambda: ready.send_command(HEALTH), ready.close]
    for verb in verbs:
        try:
            await verb()
        except DeviceError as error:
            errors.append(error)
    tse.faults.clear()
    assert len(errors) == 2
    shown = caplog.text + "".join(f"{error!r} {error.__cause__!r}" for error in errors)
    assert TOKEN not in shown
    assert str(held.session) not in shown


async def test_the_lock_of_a_process_that_was_killed_is_given_back_by_the_next(
    served: Served, tse: SimulatedTse, make: Make, ready: LanDriver, tmp_path: Path
) -> None:
    await ready.close()

    def killed_or_next() -> LanDriver:
        upstream = served.upstream()
        upstream.sessions = OpenSessions(tmp_path / SESSIONS)
        return make(upstream)

    killed = killed_or_next()
    await killed.send_command(HEALTH)
    await killed._connection.close()  # as the kernel does for a process that is killed
    killed._closed = True
    async with asyncio.timeout(5):  # the upstream keeps a lock for 10 s after its connection broke
        await killed_or_next().send_command(HEALTH)


async def test_the_lock_from_before_a_broken_link_is_given_back_first(
    served: Served, make: Make, ready: LanDriver
) -> None:
    await ready.close()
    async with relayed(served) as (relay, upstream):
        first = make(upstream)
        await first.send_command(HEALTH)
        relay.deaf = True
        relay.cut()
        await first.close()
        relay.deaf = False
        async with asyncio.timeout(5):
            await make(upstream).send_command(HEALTH)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"x": "y"}', b"\xff"])
async def test_a_damaged_memory_of_sessions_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    (tmp_path / SESSIONS).write_bytes(content)
    sessions = OpenSessions(tmp_path / SESSIONS)
    assert sessions.of("b:4433", "AB") is None
    await sessions.note("b:4433", "AB", 7)
    assert OpenSessions(tmp_path / SESSIONS).of("b:4433", "AB") == 7


async def test_sessions_that_cannot_be_written_are_known_until_the_gateway_ends(tmp_path: Path) -> None:
    sessions = OpenSessions(tmp_path / "missing" / SESSIONS)
    await sessions.note("b:4433", "AB", 7)
    assert sessions.of("b:4433", "AB") == 7
    assert OpenSessions(tmp_path / "missing" / SESSIONS).of("b:4433", "AB") is None
