"""What the operations of an operator do beside their purpose."""

from pathlib import Path

import pytest

from gateway.clock.trusted import Clock, ClockStatus, KernelClock
from gateway.driver.usb.block import BlockDriver
from gateway.errors import CommandRejected, DeviceTimeout
from gateway.fleet.device import Device
from gateway.fleet.pins.memory import PinMemory
from gateway.fleet.pins.retry_guard import KnownWrong, LastTry, PinOrPuk, RetryGuard
from gateway.fleet.registry import Attachment, Registry
from gateway.i18n.text import NOTHING
from gateway.operations.administration import Administration, ClockNotTrusted, _puk_users
from gateway.operations.exclusive import exclusive
from gateway.operations.receipt import Action, SigningRequest
from gateway.operations.setup import NotFresh, Setup, check_fresh, put_into_service
from gateway.simulator.device import SimulatedTransport, SimulatedTse
from gateway.simulator.factory import Make
from gateway.telemetry.metrics import Metrics
from gateway.tse.commands import USER_NAMES, Login, Logout, User
from gateway.tse.credentials import RETAIL_SEED
from gateway.tse.fields import Command, Generation
from gateway.tse.info import Lifecycle
from gateway.tse.pins import PinOwner
from gateway.tse.results import Result
from tests.clock.time_server import answer_to, time_server
from tests.operations.conftest import Shop
from tests.support import ADMIN_PIN, NOW, PUK, TIME_ADMIN_PIN, receipt, set_up_generation_2
from tests.texts import said

CLIENTS = [b"POS-1", b"POS-2"]


@pytest.fixture
def administration(shop: Shop) -> Administration:
    clock = Clock(kernel=lambda: KernelClock(synchronised=True), wall=lambda: float(NOW))
    return Administration(shop.registry, lock_wait=1, clock=clock)


async def test_who_was_logged_in_is_logged_out_again_also_after_a_refusal(
    shop: Shop, administration: Administration
) -> None:
    before = shop.registry.devices()[0].info.created_signatures
    with pytest.raises(CommandRejected, match="not registered"):
        await administration.deregister_client(shop.serial, PinOrPuk(ADMIN_PIN), b"POS-9")
    device = shop.registry.devices()[0]
    assert device.lock.lease is None
    assert device.info.created_signatures == before + 2  # login and logout


async def test_a_wrong_pin_is_tried_once(shop: Shop, administration: Administration) -> None:
    with pytest.raises(CommandRejected, match="2 tries left"):
        await administration.set_time(shop.serial, User.TIME_ADMIN, PinOrPuk(b"00000"))
    with pytest.raises(CommandRejected, match="1 tries left"):
        await administration.change_pin(shop.serial, User.TIME_ADMIN, PinOrPuk(b"00001"), b"11111")


def tries(shop: Shop, whose: User) -> int:
    state = shop.tse._core.state
    return state.puks[User.ADMIN].tries if whose is User.NONE else state.pins[whose].tries


async def test_the_last_try_is_kept_unless_somebody_takes_the_risk(shop: Shop, administration: Administration) -> None:
    for wrong in (b"00000", b"00001"):
        with pytest.raises(CommandRejected):
            await administration.clients(shop.serial, PinOrPuk(wrong))
    with pytest.raises(LastTry, match="blocked until the PUK") as withheld:
        await administration.clients(shop.serial, PinOrPuk(ADMIN_PIN))
    assert (withheld.value.tries_left, tries(shop, User.ADMIN)) == (1, 1)
    assert await administration.clients(shop.serial, PinOrPuk(ADMIN_PIN, risk=True)) == CLIENTS
    assert tries(shop, User.ADMIN) == 3
    assert await administration.clients(shop.serial, PinOrPuk(ADMIN_PIN)) == CLIENTS


async def test_the_last_try_of_the_puk_is_the_last_of_all(shop: Shop, administration: Administration) -> None:
    with pytest.raises(CommandRejected, match="2 tries left"):
        await administration.change_puk(shop.serial, PinOrPuk(b"000000"), b"111111")
    with pytest.raises(CommandRejected, match="1 tries left"):
        await administration.unblock(shop.serial, User.ADMIN, PinOrPuk(b"000001"), b"11111")
    with pytest.raises(LastTry, match="nobody can ever administer"):
        await administration.change_puk(shop.serial, PinOrPuk(PUK), b"111111")
    assert tries(shop, User.NONE) == 1
    await administration.change_puk(shop.serial, PinOrPuk(PUK, risk=True), b"111111")
    assert tries(shop, User.NONE) == 3


async def test_a_pin_that_was_wrong_is_not_sent_again_until_there_is_a_new_one(
    shop: Shop, administration: Administration
) -> None:
    with pytest.raises(CommandRejected):
        await administration.clients(shop.serial, PinOrPuk(b"54321"))
    with pytest.raises(KnownWrong, match="refused this PIN of the Admin before"):
        await administration.clients(shop.serial, PinOrPuk(b"54321"))
    assert tries(shop, User.ADMIN) == 2
    await administration.change_pin(shop.serial, User.ADMIN, PinOrPuk(ADMIN_PIN), b"54321")
    assert await administration.clients(shop.serial, PinOrPuk(b"54321")) == CLIENTS


async def test_what_a_till_mistypes_is_known_too(shop: Shop, administration: Administration) -> None:
    device = shop.registry.devices()[0]
    for wrong in (b"00000", b"00001"):
        with pytest.raises(CommandRejected):
            await device.command(Login(User.TIME_ADMIN, wrong).encode())
    with pytest.raises(KnownWrong):
        await administration.set_time(shop.serial, User.TIME_ADMIN, PinOrPuk(b"00000"))
    with pytest.raises(LastTry):
        await administration.set_time(shop.serial, User.TIME_ADMIN, PinOrPuk(TIME_ADMIN_PIN))


async def test_a_pin_that_the_tse_did_not_look_at_costs_nothing(shop: Shop, administration: Administration) -> None:
    device = shop.registry.devices()[0]
    with pytest.raises(CommandRejected):
        await administration.set_time(shop.serial, User.TIME_ADMIN, PinOrPuk(b"00000"))

    async def refuse(_: Command) -> bytes:
        raise CommandRejected(Result.NEEDS_SELF_TEST, NOTHING)

    with pytest.raises(CommandRejected):
        await device._retry_guard.send(Login(User.TIME_ADMIN, b"22222"), refuse, risk=False)
    assert device.pin_record.tries == {PinOwner.TIME_ADMIN: 2}


async def test_a_login_whose_answer_is_lost_counts_as_a_try_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"

    async def lost(_: Command) -> bytes:
        raise DeviceTimeout(said("no answer"))

    for _ in range(2):
        with pytest.raises(DeviceTimeout):
            await RetryGuard(PinMemory(path)).send(Login(User.ADMIN, ADMIN_PIN), lost, risk=False)
    with pytest.raises(LastTry):
        await RetryGuard(PinMemory(path)).send(Login(User.ADMIN, ADMIN_PIN), lost, risk=False)


async def test_a_clock_that_nobody_vouches_for_sets_no_time_unless_an_operator_says_so(shop: Shop) -> None:
    before = shop.registry.devices()[0].info.created_signatures
    clock = Clock(kernel=lambda: KernelClock(synchronised=False), wall=lambda: float(NOW + 77))
    administration = Administration(shop.registry, lock_wait=1, clock=clock)
    with pytest.raises(ClockNotTrusted, match="no time server is set"):
        await administration.set_time(shop.serial, User.TIME_ADMIN, PinOrPuk(TIME_ADMIN_PIN))
    assert shop.registry.devices()[0].info.created_signatures == before
    moment = await administration.set_time(
        shop.serial, User.TIME_ADMIN, PinOrPuk(TIME_ADMIN_PIN), trust_system_clock=True
    )
    assert moment == NOW + 77


async def test_time_servers_are_asked_when_an_operator_wants_the_time_set(shop: Shop) -> None:
    async with time_server(lambda asked: answer_to(asked, received=NOW + 100, sent=NOW + 100)) as server:
        clock = Clock([server], kernel=lambda: KernelClock(synchronised=False), wall=lambda: float(NOW))
        administration = Administration(shop.registry, lock_wait=1, clock=clock)
        moment = await administration.set_time(shop.serial, User.TIME_ADMIN, PinOrPuk(TIME_ADMIN_PIN))
    assert abs(moment - NOW - 100) <= 1


async def test_all_open_transactions_are_listed_though_they_fill_several_answers(
    shop: Shop, administration: Administration
) -> None:
    for _ in range(70):
        await shop.transactions.sign(SigningRequest(Action.START, shop.serial, b"POS-1"))
    assert await administration.open_transactions(shop.serial, b"POS-1") == list(range(1, 71))


def test_why_a_clock_is_not_trusted_is_told_with_what_it_seemed_to_lack() -> None:
    for offset, told in (
        (None, "the time was not set: why"),
        (-1.5, "the time was not set: why; it seemed to lack -1.500 s"),
    ):
        error = ClockNotTrusted(ClockStatus(fit=False, source="none", offset=offset, age=0.0, reason=said("why")))
        assert (str(error), error.offset) == (told, offset)


def test_a_puk_is_that_of_all_users_unless_the_generation_has_one_for_each() -> None:
    for user in (None, User.TIME_ADMIN):
        assert tuple(_puk_users(Generation.ONE, user)) == (User.ADMIN,)
    assert tuple(_puk_users(Generation.TWO, User.TIME_ADMIN)) == (User.TIME_ADMIN,)
    assert tuple(_puk_users(Generation.TWO, None)) == (User.ADMIN, User.TIME_ADMIN, User.LOGGER)


async def test_a_tse_that_was_set_up_can_sell_and_nobody_is_logged_in(device: Device, tse: SimulatedTse) -> None:
    given = Setup(RETAIL_SEED, PUK, ADMIN_PIN, TIME_ADMIN_PIN, (b"POS-1", b"POS-2"))
    async with exclusive(device, 1) as held:
        await put_into_service(held, await check_fresh(held), given, lambda: NOW)
        info = await held.info()
        assert (info.lifecycle, info.registered_clients, info.all_credentials_changed) == (
            Lifecycle.INITIALIZED,
            2,
            True,
        )
        assert info.valid_time
        assert info.self_test_passed
        assert info.ctss_active
        assert info.export_if_csp_fails
        for user in (User.ADMIN, User.TIME_ADMIN):
            with pytest.raises(CommandRejected, match="not logged in"):
                await held.send(Logout(user))
        with pytest.raises(NotFresh):
            await check_fresh(held)
    await receipt(device.command, device, b"POS-2")


@pytest.mark.parametrize(("user", "changed"), [(User.TIME_ADMIN, {User.TIME_ADMIN}), (None, set(USER_NAMES))])
async def test_in_generation_2_a_user_has_a_puk_of_its_own(
    tmp_path: Path, user: User | None, changed: set[User]
) -> None:
    tse = SimulatedTse.create(tmp_path / "second", Make(generation=Generation.TWO), durable=False)
    registry = Registry(Metrics())
    await registry.reconcile(
        [Attachment("simulator", lambda: BlockDriver.open(lambda: SimulatedTransport(tse), name="tse"))]
    )
    await set_up_generation_2(registry.devices()[0].command, tse.serial)
    await registry.devices()[0].read_info()
    administration = Administration(registry, lock_wait=1, clock=Clock())
    serial = registry.devices()[0].serial
    await administration.change_puk(serial, PinOrPuk(PUK), b"654321", user)
    for each in USER_NAMES:
        right = b"654321" if each in changed else PUK
        await administration.unblock(serial, each, PinOrPuk(right), b"31337")
    await registry.close()
    tse.close()
