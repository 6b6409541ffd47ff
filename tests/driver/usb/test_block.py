"""The sector exchange against a peer that does exactly what each test says."""

import asyncio
import errno
import threading
from collections.abc import Callable

import pytest

from gateway.driver.usb.block import BlockDriver, Deadlines
from gateway.errors import (
    CommandRejected,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
)
from gateway.tse.commands import SelfTest, SetTime
from gateway.tse.error_numbers import number_of
from gateway.tse.sectors import SECTOR, Response, WindowState, decode_command
from tests.texts import said

COMMAND = SetTime(1_700_000_000).encode()


class Peer:
    """A window that shows one prepared answer after the other, the last one for ever."""

    def __init__(self, *answers: Response | bytes | OSError, counter: int = 7) -> None:
        self.before: list[Response | bytes | OSError] = [Response(counter, WindowState.DONE)]
        self.answers = list(answers)
        self.written: list[bytes] = []
        self.write_error: OSError | None = None
        self.info: list[bytes | OSError] = [b"i" * SECTOR]
        self.store: dict[int, bytes] = {}
        self.closed = False

    def read_window(self) -> bytes:
        queue = self.answers if self.written else self.before
        return _show(queue.pop(0) if len(queue) > 1 else queue[0])

    def write_window(self, sector: bytes) -> None:
        self.written.append(decode_command(sector))
        if self.write_error is not None:
            raise self.write_error

    def read_info(self) -> bytes:
        return _show(self.info.pop(0) if len(self.info) > 1 else self.info[0])

    def read_store(self, block: int, count: int) -> bytes:
        return b"".join(self.store.get(at, bytes(SECTOR)) for at in range(block, block + count))

    def write_store(self, block: int, data: bytes) -> None:
        for at in range(0, len(data), SECTOR):
            self.store[block + at // SECTOR] = data[at : at + SECTOR]

    def close(self) -> None:
        self.closed = True
        if self.write_error is not None:
            raise self.write_error


def _show(item: Response | bytes | OSError) -> bytes:
    if isinstance(item, OSError):
        raise item
    return item.encode() if isinstance(item, Response) else item


class Clock:
    """Time that passes only while somebody pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


async def send(peer: Peer, command: bytes = COMMAND, clock: Clock | None = None) -> bytes:
    clock = clock or Clock()
    driver = BlockDriver(peer, clock=clock, pause=clock.pause)
    try:
        return await driver.send_command(command)
    finally:
        await driver.close()


async def test_a_command_is_written_once_and_its_data_returned() -> None:
    peer = Peer(Response(0, WindowState.BUSY), Response(8, WindowState.DONE, b"data"))
    assert await send(peer) == b"data"
    assert peer.written == [COMMAND]
    assert peer.closed


async def test_a_refused_command_is_told_with_its_result() -> None:
    with pytest.raises(CommandRejected, match="0x100f") as refused:
        await send(Peer(Response(8, WindowState.DONE, b"", 0x100F)))
    assert (refused.value.result, number_of(refused.value)) == (0x100F, 0x100F)


async def test_a_result_that_nobody_knows_survives() -> None:
    with pytest.raises(CommandRejected, match="0x7abc") as refused:
        await send(Peer(Response(8, WindowState.DONE, b"", 0x7ABC)))
    assert number_of(refused.value) == 0x7ABC


@pytest.mark.parametrize("busy", [WindowState.BUSY, WindowState.BUSY_OLD])
@pytest.mark.parametrize("takes", [0.0, 0.001, 0.02, 0.25, 2.0, 30.0])
async def test_polling_costs_less_than_five_percent(takes: float, busy: WindowState) -> None:
    clock = Clock()
    peer = Peer()
    began = clock.now

    def read_window() -> bytes:
        done = peer.written and clock.now - began >= takes
        return (Response(8, WindowState.DONE) if done else Response(7, busy)).encode()

    peer.read_window = read_window  # type: ignore[method-assign]
    await send(peer, clock=clock)
    assert clock.now - began <= takes * 1.05 + 0.0003
    assert all(pause <= 0.001 for pause in clock.pauses[:4])


async def test_a_tse_that_stays_busy_ends_at_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(DeviceTimeout, match="45 s") as late:
        await send(Peer(Response(7, WindowState.BUSY)), clock=clock)
    assert number_of(late.value) == 4
    assert 45 <= clock.now - 100 <= 46


async def test_a_self_test_may_take_longer() -> None:
    clock = Clock()
    with pytest.raises(DeviceTimeout, match="180 s"):
        await send(Peer(Response(7, WindowState.BUSY)), SelfTest(b"POS-1").encode(), clock)
    assert 180 <= clock.now - 100 <= 181


async def test_a_response_is_fetched() -> None:
    fetch = Response(7, WindowState.FETCH)
    peer = Peer(fetch, Response(7, WindowState.BUSY), fetch, Response(8, WindowState.DONE, b"x"))
    assert await send(peer) == b"x"
    assert peer.written == [COMMAND, b"\x83\0", b"\x83\0"]


async def test_endless_fetching_is_not_believed() -> None:
    with pytest.raises(ProtocolError, match="65 times"):
        await send(Peer(Response(7, WindowState.FETCH)))


@pytest.mark.parametrize(
    "sector",
    [
        pytest.param(bytes(SECTOR), id="state 00"),
        pytest.param(b"\0\0\0\x08\xff\0\x01".ljust(SECTOR, b"\0"), id="length below the result"),
        pytest.param(b"\0\0\0\x08\xff\x01\xfa".ljust(SECTOR, b"\0"), id="504 bytes of data"),
        pytest.param(b"\0\0\0\x08\xff", id="short sector"),
    ],
)
async def test_nonsense_in_the_window_is_a_protocol_error(sector: bytes) -> None:
    with pytest.raises(ProtocolError) as nonsense:
        await send(Peer(sector))
    assert number_of(nonsense.value) == 6


@pytest.mark.parametrize("counter", [7, 9, 6, 2**32 - 1])
async def test_a_counter_that_does_not_fit_is_a_missing_response(counter: int) -> None:
    with pytest.raises(ResponseMissing) as missing:
        await send(Peer(Response(counter, WindowState.DONE, b"data")))
    assert number_of(missing.value) == 8


async def test_a_counter_of_zero_is_a_power_cycle() -> None:
    with pytest.raises(PowerCycleDetected) as cycled:
        await send(Peer(Response(0, WindowState.DONE)))
    assert number_of(cycled.value) == 13


async def test_the_state_before_a_command_means_nothing() -> None:
    peer = Peer(Response(8, WindowState.DONE))
    peer.before = [b"\0\0\0\x07\xaa".ljust(SECTOR, b"\0")]
    assert await send(peer) == b""


async def test_power_lost_between_commands_is_noticed() -> None:
    peer = Peer(Response(8, WindowState.DONE))
    driver = BlockDriver(peer)
    await driver.send_command(COMMAND)
    peer.written.clear()
    peer.before = [Response(0, WindowState.DONE)]
    peer.answers = [Response(1, WindowState.DONE, b"", 0x1054)]
    with pytest.raises(CommandRejected):
        await driver.send_command(COMMAND)
    assert driver.power_cycles == 1
    await driver.close()


async def test_a_disturbed_read_is_repeated_once() -> None:
    disturbed = OSError(errno.EIO, "disturbed")
    assert await send(Peer(disturbed, Response(8, WindowState.DONE, b"x"))) == b"x"
    with pytest.raises(DeviceError, match="I/O error") as failed:
        await send(Peer(disturbed, disturbed, Response(8, WindowState.DONE)))
    assert number_of(failed.value) == 3


async def test_info_and_store_are_read_and_written() -> None:
    peer = Peer()
    peer.info = [OSError(errno.EIO, "disturbed"), b"I" * SECTOR]
    driver = BlockDriver(peer)
    assert await driver.read_info() == b"I" * SECTOR
    await driver.write_store(3, b"a" * SECTOR + b"b" * SECTOR)
    assert await driver.read_store(4, 2) == b"b" * SECTOR + bytes(SECTOR)
    await driver.close()


async def test_a_command_is_never_written_twice() -> None:
    peer = Peer(Response(8, WindowState.DONE))
    peer.write_error = OSError(errno.EIO, "disturbed")
    with pytest.raises(DeviceError):
        await send(peer)
    assert peer.written == [COMMAND]


@pytest.mark.parametrize("number", [errno.ENODEV, errno.ENXIO, errno.ENOENT])
async def test_an_unplugged_tse_is_gone(number: int) -> None:
    with pytest.raises(DeviceGone) as gone:
        await send(Peer(OSError(number, "gone")))
    assert number_of(gone.value) == 3


@pytest.mark.parametrize("size", [0, 511])
async def test_a_command_of_impossible_size_never_reaches_the_tse(size: int) -> None:
    peer = Peer()
    with pytest.raises(ProtocolError):
        await send(peer, bytes(size))
    assert peer.written == []


async def test_a_hung_call_stops_only_its_own_tse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.driver.usb.block._KERNEL_GRACE", 0.0)
    hung, healthy = Peer(), Peer(Response(8, WindowState.DONE, b"x"))
    release = threading.Event()
    hung.read_info = _blocked(release)  # type: ignore[method-assign]
    driver = BlockDriver(hung, deadlines=Deadlines(command=0.05))
    with pytest.raises(DeviceTimeout, match="hangs"):
        await driver.read_info()
    with pytest.raises(DeviceTimeout, match="still hangs"):
        await driver.send_command(COMMAND)
    assert await send(healthy) == b"x"
    async with asyncio.timeout(10):
        await driver.close()
    release.set()
    assert hung.written == []
    assert not hung.closed


async def test_a_caller_that_gives_up_does_not_cut_the_command_off() -> None:
    peer, entered, release = Peer(Response(8, WindowState.DONE)), threading.Event(), threading.Event()

    def write_window(sector: bytes) -> None:
        entered.set()
        release.wait(5)
        peer.written.append(decode_command(sector))

    peer.write_window = write_window  # type: ignore[method-assign]
    driver = BlockDriver(peer)
    caller = asyncio.create_task(driver.send_command(COMMAND))
    await asyncio.to_thread(entered.wait, 5)
    caller.cancel()
    release.set()
    assert await driver.read_info() == b"i" * SECTOR  # the thread came to its next job: the command was done
    assert peer.written == [COMMAND]
    await driver.close()


async def test_closing_survives_a_transport_that_cannot_close() -> None:
    peer = Peer(Response(8, WindowState.DONE))
    peer.write_error = OSError(errno.EIO, "disturbed")
    driver = BlockDriver(peer)
    await driver.close()
    assert peer.closed


def test_a_loop_that_is_gone_does_not_break_the_thread() -> None:
    release, done = threading.Event(), threading.Event()
    peer = Peer()

    def read_info() -> bytes:
        release.wait(5)
        threading.Timer(0.05, done.set).start()
        return b"i" * SECTOR

    peer.read_info = read_info  # type: ignore[method-assign]

    async def abandon() -> BlockDriver:
        driver = BlockDriver(peer)
        task = asyncio.create_task(driver.read_info())
        await asyncio.sleep(0)
        task.cancel()
        return driver

    driver = asyncio.run(abandon())
    release.set()
    assert done.wait(5)
    assert not driver._thread.hung


def _blocked(release: threading.Event) -> Callable[[], bytes]:
    def read_info() -> bytes:
        release.wait(10)
        return bytes(SECTOR)

    return read_info


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOENT, "nothing is there"),
        (errno.EACCES, "udev rule"),
        (errno.EBUSY, "unmount it"),
        (errno.EINVAL, "O_DIRECT"),
        (errno.EIO, "cannot be opened"),
    ],
)
async def test_a_tse_that_cannot_be_opened_says_the_way_out(number: int, way_out: str) -> None:
    def opener() -> Peer:
        raise OSError(number, "no")

    with pytest.raises(DeviceError, match=way_out):
        await BlockDriver.open(opener, name="x")


async def test_a_foreign_device_is_refused() -> None:
    def opener() -> Peer:
        raise ProtocolError(said("not a TSE"))

    with pytest.raises(ProtocolError):
        await BlockDriver.open(opener, name="x")


async def test_an_opened_driver_works() -> None:
    driver = await BlockDriver.open(lambda: Peer(Response(8, WindowState.DONE, b"x")), name="x")
    assert await driver.send_command(COMMAND) == b"x"
    await driver.close()
