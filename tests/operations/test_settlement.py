"""Before anything else is signed, it is settled what became of a key: no key takes over the start of another till."""

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import CommandRejected, DeviceError, ProtocolError
from gateway.operations.lan import LanTse
from gateway.operations.receipt import Action
from gateway.operations.recovery import OutcomeUnknown
from gateway.operations.settlement import Settlement
from gateway.tse.commands import (
    CloseImport,
    DeleteStoredData,
    ListTransactions,
    Login,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from tests.operations.conftest import Shop
from tests.operations.test_lan import Till
from tests.operations.test_transactions import DATA, begun, messages, steps, wish
from tests.support import ADMIN_PIN, CLIENT, NOW, step
from tests.texts import said

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"").encode()
SIGN = CloseImport().encode()


async def failed_before_its_start(shop: Shop, key: str, action: Action = Action.SIGN) -> None:
    """The TSE fails before it hears of the start, so nothing is signed under `key`."""
    shop.lose_command_of(1)
    with pytest.raises(DeviceError):
        await shop.transactions.sign(wish(shop, action), key)
    await shop.until_usable()


async def till_of(shop: Shop) -> Till:
    """A till that has the same client id as the key, and the lock."""
    till = Till(LanTse(shop.registry, shop.metrics, lock_wait=5), shop.serial)
    await till.lock()
    return till


async def start_of(till: Till) -> TransactionReply:
    await till.send(START)
    return TransactionReply.decode(await till.send(SIGN))


async def finish(till: Till, number: int) -> TransactionReply:
    await till.send(OpenImport(TransactionStep.FINISH, CLIENT, number, 0, b"SonstigerVorgang").encode())
    return TransactionReply.decode(await till.send(SIGN))


async def test_the_start_of_a_till_after_a_failure_is_not_taken_over_by_a_key(shop: Shop) -> None:
    await failed_before_its_start(shop, "k")
    till = await till_of(shop)
    started = await start_of(till)
    await till.lan.unlock(till.serial, till.session)
    signed = (await shop.transactions.sign(wish(shop), "k")).signed
    assert signed.number != started.transaction_number
    await till.lock()
    assert (await finish(till, started.transaction_number)).transaction_number == started.transaction_number
    assert await steps(shop) == ["Start", "Start", "Finish", "Finish"]


async def test_a_key_without_a_signature_is_signed_anew_when_a_till_has_sold_meanwhile(shop: Shop) -> None:
    await failed_before_its_start(shop, "k")
    till = await till_of(shop)
    await finish(till, (await start_of(till)).transaction_number)
    await till.lan.unlock(till.serial, till.session)
    await shop.transactions.sign(wish(shop), "k")
    assert (await messages(shop))[-1].process_data == DATA


async def test_a_start_without_a_key_is_not_taken_over_either(shop: Shop) -> None:
    await failed_before_its_start(shop, "k", Action.START)
    other = (await shop.transactions.sign(wish(shop, Action.START))).signed
    assert (await shop.transactions.sign(wish(shop, Action.START), "k")).signed.number != other.number


async def test_what_an_earlier_process_left_is_settled_before_a_till_signs(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    started = await start_of(await till_of(shop))
    assert shop.journal.find("k") is None
    assert started.transaction_number == 1


async def test_a_tse_that_is_attached_late_tells_first_too(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    await shop.registry.devices()[0].let_go(said("the TSE was unplugged"))
    shop.registry.forget(shop.serial)
    await shop.until_usable()
    await start_of(await till_of(shop))
    assert shop.journal.find("k") is None


async def test_a_start_that_was_signed_is_still_found_when_a_till_signs_next(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    device = shop.registry.devices()[0]
    own = await step(device.command, device, TransactionStep.START)
    await start_of(await till_of(shop))
    record = shop.journal.find("k")
    assert record is not None
    assert (record.number, record.unclear) == (own.transaction_number, False)


async def test_until_the_self_test_all_may_pass_but_a_signature(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    shop.tse.power_cycle()
    till = await till_of(shop)
    with pytest.raises(CommandRejected, match="0x1054"):
        await till.send(START)
    assert shop.journal.find("k") is not None
    await till.send(SelfTest(CLIENT).encode())
    await till.send(Login(User.ADMIN, ADMIN_PIN).encode())
    await till.send(SetTime(NOW + 60).encode())
    await till.send(ListTransactions(0, CLIENT).encode())
    assert shop.journal.find("k") is not None
    await start_of(till)
    assert shop.journal.find("k") is None


async def test_stored_data_are_not_deleted_before_the_tse_has_told(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    till = await till_of(shop)
    with pytest.raises(CommandRejected):
        await till.send(DeleteStoredData().encode())
    assert shop.journal.find("k") is None


async def test_a_transaction_that_a_till_ended_without_knowing_the_key_leaves_it_free(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop), "k")
    number = (await step(device.command, device, TransactionStep.START)).transaction_number
    await step(device.command, device, TransactionStep.FINISH, number=number, process_type=b"SonstigerVorgang")
    assert (await shop.transactions.sign(wish(shop), "k")).signed.number == number + 1


async def test_a_key_that_the_tse_cannot_tell_of_holds_up_tills_for_a_minute_at_most(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    record = shop.journal.find("k")
    assert record is not None
    device = shop.registry.devices()[0]
    await start_of(await till_of(shop))
    await device.read_info()
    middle = device.info.used_blocks - 1  # no entry begins here
    await shop.journal.begin(replace(record, position=middle))
    now = 0.0
    Settlement(shop.registry, shop.journal, lock_wait=5, clock=lambda: now)
    device.lock.release(device.lock.lease.session if device.lock.lease else 0)
    till = await till_of(shop)
    for moment in (0.0, 59.0):
        now = moment
        with pytest.raises(ProtocolError):
            await till.send(START)
    now = 60.0
    await start_of(till)
    await till.lan.unlock(till.serial, till.session)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await shop.transactions.sign(wish(shop), "k")
        shop.restart()


async def test_failures_with_an_answer_in_between_do_not_make_a_key_unknown(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    now = 0.0
    Settlement(shop.registry, shop.journal, lock_wait=5, clock=lambda: now)
    for moment in (0.0, 3600.0):
        now = moment
        till = await till_of(shop)
        shop.tse.faults.set("io_error", 2)
        with pytest.raises(DeviceError):
            await till.send(START)
        await shop.until_usable()
        shop.tse.power_cycle()
        till = await till_of(shop)
        with pytest.raises(CommandRejected, match="0x1054"):
            await till.send(START)
        await till.lan.unlock(till.serial, till.session)
    record = shop.journal.find("k")
    assert record is not None
    assert record.unclear


async def test_keys_at_the_same_time_do_not_wait_for_each_other_for_ever(shop: Shop) -> None:
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*(shop.transactions.sign(wish(shop), f"k{number}") for number in range(5)))
    assert len({outcome.signed.number for outcome in outcomes}) == 5


async def test_what_a_failure_leaves_unclear_is_settled_though_nobody_asks(shop: Shop) -> None:
    looking = asyncio.create_task(shop.transactions.settlement.run())
    await asyncio.sleep(0)  # there is nothing to settle yet
    await failed_before_its_start(shop, "k")
    async with asyncio.timeout(5):
        while shop.journal.unclear():  # noqa: ASYNC110 (the journal has no event)
            await asyncio.sleep(0.005)
    looking.cancel()
    assert shop.journal.find("k") is None


async def test_a_tse_is_not_asked_of_the_keys_of_another(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    record = shop.journal.find("k")
    assert record is not None
    await shop.journal.begin(replace(record, key="other", serial="CD" * 32))
    await start_of(await till_of(shop))
    assert [item.key for item in shop.journal.unclear()] == ["other"]
