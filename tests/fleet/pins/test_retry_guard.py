"""Three wrong PINs lock a TSE for good. The gateway tries one at most."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.driver.usb.block import BlockDriver
from gateway.errors import CommandRejected, ConfigurationError, DeviceError
from gateway.fleet.pins.login_guard import LoginGuard
from gateway.fleet.pins.memory import NotRemembered, PinMemory, PinRecord
from gateway.i18n.text import NOTHING
from gateway.simulator.device import SimulatedTransport
from gateway.tse.commands import ChangePin, Login, SelfTest, UnblockPin, User
from gateway.tse.pins import PinOwner
from tests.fleet.maintenance.shop_time import HOUR, Shop
from tests.support import CLIENT, PUK, TIME_ADMIN_PIN
from tests.texts import said

WRONG = b"00000"


@pytest.fixture
async def shop_of(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Shop]]]:
    opened: list[Shop] = []

    async def open_shop(**care: object) -> Shop:
        opened.append(await Shop.open(tmp_path, client_id="POS-1", **care))  # type: ignore[arg-type]
        return opened[-1]

    yield open_shop
    for shop in opened:
        await shop.close()


Open = Callable[..., Awaitable[Shop]]


def tries(shop: Shop) -> int:
    return shop.tse._core.state.pins[User.TIME_ADMIN].tries


async def mistype(shop: Shop) -> None:
    with pytest.raises(CommandRejected, match="0x110"):
        await shop.device.command(Login(User.TIME_ADMIN, WRONG).encode())


async def live_for_an_hour(shop: Shop) -> None:
    """All that may befall a gateway: power cuts of the TSE, new openings, restarts, full minutes of waiting."""
    for _ in range(6):
        await shop.pass_time(HOUR / 12, step=5)
        shop.tse.power_cycle()
        await shop.pass_time(HOUR / 24, step=5)
        await shop.reopen()
        await shop.pass_time(HOUR / 48, step=5)
        await shop.device.close()
        await shop.restart_gateway()
        await shop.pass_time(HOUR / 48, step=5)


@pytest.mark.parametrize("pin", ["00000", TIME_ADMIN_PIN.decode()])
async def test_a_tse_with_one_try_left_keeps_it(shop_of: Open, pin: str) -> None:
    shop = await shop_of(pin=pin)
    await mistype(shop)
    await mistype(shop)
    assert tries(shop) == 1
    await live_for_an_hour(shop)
    assert tries(shop) == 1
    assert shop.runs("set_time") == 0


async def test_a_wrong_pin_is_tried_once_in_the_life_of_the_gateway(
    shop_of: Open, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await shop_of(pin="00000")
    await live_for_an_hour(shop)
    assert tries(shop) == 2
    assert shop.runs("set_time", "command_rejected") == 1
    assert "2 tries left" in caplog.text
    assert "00000" not in caplog.text.replace(shop.serial, "")


async def test_an_operator_allows_the_next_login_by_removing_the_file(shop_of: Open) -> None:
    shop = await shop_of(pin="00000")
    await shop.pass_time(10)
    await shop.pass_time(HOUR, step=10)
    assert tries(shop) == 2
    file = shop.options.directory / f"{shop.serial}.json"  # type: ignore[operator]
    assert "2 tries left" in json.loads(file.read_text())["no_login"]
    file.unlink()
    await shop.pass_time(HOUR, step=10)
    assert tries(shop) == 1  # once more, and now even an operator does not make it try the last one
    file.unlink()
    await shop.pass_time(HOUR, step=10)
    assert tries(shop) == 1


async def test_an_operator_allows_the_next_login_once_the_pin_is_right(shop_of: Open) -> None:
    shop = await shop_of(pin="00000")
    await shop.pass_time(10)
    await shop.device.command(UnblockPin(User.TIME_ADMIN, PUK, WRONG).encode())
    await shop.pass_time(HOUR, step=10)
    assert not shop.info.valid_time
    (shop.options.directory / f"{shop.serial}.json").unlink()  # type: ignore[operator]
    await shop.pass_time(70)
    assert shop.info.valid_time


async def test_a_right_pin_of_a_till_brings_the_tries_back(shop_of: Open) -> None:
    shop = await shop_of()
    await mistype(shop)
    await mistype(shop)
    assert (shop.device.pin_record.tries, gauge(shop)) == ({PinOwner.TIME_ADMIN: 1}, 1)
    await shop.device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    assert (shop.device.pin_record.tries, gauge(shop)) == ({}, None)
    await shop.pass_time(20)
    assert shop.info.valid_time


async def test_tries_are_known_after_a_restart(shop_of: Open) -> None:
    shop = await shop_of()
    for _ in range(3):
        await mistype(shop)
    with pytest.raises(CommandRejected, match="0x1201"):
        await shop.device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    await shop.device.close()
    await shop.restart_gateway()
    assert (shop.device.pin_record.tries, gauge(shop)) == ({PinOwner.TIME_ADMIN: 0}, 0)
    await shop.device.command(UnblockPin(User.TIME_ADMIN, PUK, TIME_ADMIN_PIN).encode())
    assert gauge(shop) is None
    await shop.pass_time(20)
    assert shop.info.valid_time


async def test_a_till_that_logs_in_with_another_pin_saves_the_try(shop_of: Open) -> None:
    shop = await shop_of(pin="00000")
    await shop.device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    await live_for_an_hour(shop)
    assert (tries(shop), shop.runs("set_time", "command_rejected")) == (3, 0)


async def test_a_pin_that_is_changed_stops_the_gateway_in_time(shop_of: Open) -> None:
    shop = await shop_of()
    await shop.scheduler.check()
    device = shop.device
    await device.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    await device.command(ChangePin(User.TIME_ADMIN, TIME_ADMIN_PIN, b"11111").encode())
    await live_for_an_hour(shop)
    assert tries(shop) == 3


async def test_a_login_whose_end_is_unknown_counts_as_failed(tmp_path: Path) -> None:
    memory = PinMemory(tmp_path / "memory.json")
    guard = LoginGuard(memory, WRONG)

    async def lost(_: bytes) -> bytes:
        assert "no_login" in (tmp_path / "memory.json").read_text()  # recorded before it is sent
        raise DeviceError(said("lost"))

    with pytest.raises(DeviceError):
        await guard.log_in(lost)
    assert "not known" in str(guard.objection())
    assert "not known" in str(LoginGuard(PinMemory(tmp_path / "memory.json"), WRONG).objection())
    with pytest.raises(ConfigurationError):
        await guard.log_in(lost)


async def test_a_pin_that_was_right_survives_one_lost_answer_but_not_two(tmp_path: Path) -> None:
    guard = LoginGuard(PinMemory(tmp_path / "memory.json"), TIME_ADMIN_PIN)

    async def fine(_: bytes) -> bytes:
        return b""

    async def lost(_: bytes) -> bytes:
        raise DeviceError(said("lost"))

    await guard.log_in(fine)
    with pytest.raises(DeviceError):
        await guard.log_in(lost)
    assert guard.objection() == NOTHING
    with pytest.raises(DeviceError):
        await guard.log_in(lost)
    assert guard.objection()


async def test_a_login_that_is_called_off_before_it_is_sent_counts_for_nothing(tmp_path: Path) -> None:
    memory = PinMemory(tmp_path / "memory.json")
    guard = LoginGuard(memory, TIME_ADMIN_PIN)
    sent: list[bytes] = []

    async def send(command: bytes) -> bytes:
        sent.append(command)
        return b""

    login = asyncio.create_task(guard.log_in(send))
    await asyncio.sleep(0)  # it is being recorded
    login.cancel()
    with pytest.raises(asyncio.CancelledError):
        await login
    await memory.write(client_id="POS-1")  # comes behind whatever is still being written
    assert (sent, guard.objection()) == ([], NOTHING)
    assert PinMemory(tmp_path / "memory.json").record == PinRecord(client_id="POS-1")


async def test_a_login_that_cannot_be_recorded_is_not_tried(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sent: list[bytes] = []

    async def send(command: bytes) -> bytes:
        sent.append(command)
        return b""

    guard = LoginGuard(PinMemory(tmp_path / "file" / "memory.json"), TIME_ADMIN_PIN)
    with pytest.raises(ConfigurationError):
        await guard.log_in(send)
    assert sent == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"client_id": "x"}', '{"client_id":"","tries":3,"no_login":""}'])
async def test_a_damaged_file_allows_no_login(tmp_path: Path, content: str) -> None:
    (tmp_path / "memory.json").write_text(content)
    assert "damaged" in str(LoginGuard(PinMemory(tmp_path / "memory.json"), TIME_ADMIN_PIN).objection())


async def test_the_file_holds_no_pin(shop_of: Open) -> None:
    shop = await shop_of(pin="00000")
    await shop.device.command(SelfTest(CLIENT).encode())
    await shop.pass_time(20)
    text = (shop.options.directory / f"{shop.serial}.json").read_text()  # type: ignore[operator]
    assert "00000" not in text
    assert "98765" not in text


class Disk:
    """The directory of the PIN memory, which may break and be mended."""

    def __init__(self, shop: Shop) -> None:
        assert shop.options.directory is not None
        self._place, self._aside = shop.options.directory, shop.options.directory.with_name("aside")

    def breaks(self) -> None:
        self._place.mkdir(exist_ok=True)
        self._place.rename(self._aside)
        self._place.write_text("")

    def is_mended(self) -> None:
        self._place.unlink()
        self._aside.rename(self._place)


async def test_a_pin_that_was_right_serves_on_while_the_disk_is_broken(shop_of: Open) -> None:
    shop = await shop_of()
    await shop.pass_time(1)
    Disk(shop).breaks()
    for _ in range(3):
        shop.tse.power_cycle()
        await shop.reopen()
        await shop.pass_time(1)
        assert shop.info.valid_time
    assert shop.runs("set_time", "ok") == 4


async def test_a_pin_that_was_never_tried_waits_until_the_disk_is_mended_and_no_longer(shop_of: Open) -> None:
    shop = await shop_of()
    disk = Disk(shop)
    disk.breaks()
    await shop.pass_time(HOUR, step=10)
    assert (tries(shop), shop.info.valid_time) == (3, False)
    assert "cannot be written" in str(shop.device.login_objection())
    disk.is_mended()
    await shop.pass_time(5)
    assert shop.info.valid_time


async def test_a_disk_that_breaks_just_before_the_login_is_no_wrong_pin(shop_of: Open) -> None:
    shop = await shop_of()
    disk = Disk(shop)
    await shop.device.check_pin_memory()
    disk.breaks()
    with pytest.raises(NotRemembered):
        await shop.device.log_in()
    assert (tries(shop), shop.device.pin_record.no_login) == (3, NOTHING)
    disk.is_mended()
    await shop.pass_time(5)
    assert shop.info.valid_time


async def test_a_pin_that_was_changed_elsewhere_costs_one_try_while_the_disk_is_broken(shop_of: Open) -> None:
    shop = await shop_of()
    await shop.pass_time(1)
    disk = Disk(shop)
    disk.breaks()
    elsewhere = BlockDriver(SimulatedTransport(shop.tse))
    await elsewhere.send_command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
    await elsewhere.send_command(ChangePin(User.TIME_ADMIN, TIME_ADMIN_PIN, b"11111").encode())
    await elsewhere.close()
    for _ in range(6):
        shop.tse.power_cycle()
        await shop.reopen()
        await shop.pass_time(HOUR, step=10)
    assert tries(shop) == 2
    disk.is_mended()
    await shop.pass_time(5)
    await live_for_an_hour(shop)  # what no disk knew of is on the disk now
    assert tries(shop) == 2


def gauge(shop: Shop) -> float | None:
    labels = {"serial": shop.serial, "user": "time_admin"}
    return shop.metrics.registry.get_sample_value("tse_pin_tries_left", labels)
