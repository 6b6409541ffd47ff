"""Signing under a key: once and for all, whatever breaks in between."""

import asyncio
import errno
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import CommandRejected, DeviceError, DeviceGone, DeviceTimeout
from gateway.operations import journal
from gateway.operations.exclusive import exclusive
from gateway.operations.journal import Journal, JournalFailed, JournalRecord
from gateway.operations.receipt import Action, Signed, SigningRequest
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.operations.transactions import KeyReused, SigningResult, Transactions
from gateway.storage.append_log import AppendLog
from gateway.tse.commands import AcknowledgeExport, DeleteStoredData, Login, SetTime, TransactionStep, User
from gateway.tse.logmessage import LogMessage
from gateway.tse.tar import members
from tests.operations.conftest import Shop
from tests.support import ADMIN_PIN, NOW, export, receipt, step
from tests.texts import said

DATA = b"Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar"


def wish(
    shop: Shop, action: Action = Action.SIGN, number: int = 0, data: bytes = DATA, client: bytes = b"POS-1"
) -> SigningRequest:
    texts = (b"", b"") if action is Action.START else (b"Kassenbeleg-V1", data)
    return SigningRequest(action, shop.serial, client, number, *texts)


async def messages(shop: Shop) -> list[LogMessage]:
    tar = await export(shop.registry.devices()[0])
    found = [LogMessage.decode(member.data) for member in list(members(tar))[2:]]
    return [message for message in found if message.transaction_number is not None]


async def steps(shop: Shop) -> list[str]:
    return [message.operation.removesuffix("Transaction") for message in await messages(shop)]


async def begun(shop: Shop, wanted: SigningRequest, key: str) -> None:
    """What the journal holds when the gateway dies right after it was written ahead."""
    device = shop.registry.devices()[0]
    await device.read_info()
    info = device.info
    texts = wanted.fingerprint, wanted.action, wanted.serial, wanted.client_id.decode()
    await shop.journal.begin(
        JournalRecord(key, *texts, info.used_blocks, info.created_signatures, float(NOW), wanted.number)
    )
    shop.restart()


async def cleared(shop: Shop) -> None:
    """Let the gateway ask the TSE about all unclear ends."""
    looking = asyncio.create_task(shop.transactions.settlement.run())
    async with asyncio.timeout(5):
        while shop.journal.unclear():  # noqa: ASYNC110 (the journal has no event)
            await asyncio.sleep(0.005)
    looking.cancel()


async def test_the_same_key_gets_the_same_signature(shop: Shop) -> None:
    first = await shop.transactions.sign(wish(shop), "k")
    again = await shop.transactions.sign(wish(shop), "k")
    assert again == replace(first, replayed=True)
    assert await steps(shop) == ["Start", "Finish"]


async def test_the_same_key_gets_the_same_signature_after_a_restart(shop: Shop) -> None:
    first = await shop.transactions.sign(wish(shop), "k")
    shop.restart()
    assert await shop.transactions.sign(wish(shop), "k") == replace(first, replayed=True)
    assert await steps(shop) == ["Start", "Finish"]


async def test_another_request_under_the_same_key_is_refused(shop: Shop) -> None:
    await shop.transactions.sign(wish(shop), "k")
    for other in (wish(shop, data=DATA + b"x"), wish(shop, client=b"POS-2"), wish(shop, Action.START)):
        with pytest.raises(KeyReused):
            await shop.transactions.sign(other, "k")
    assert await steps(shop) == ["Start", "Finish"]


async def test_requests_at_the_same_time_under_one_key_are_one(shop: Shop) -> None:
    outcomes = await asyncio.gather(*(shop.transactions.sign(wish(shop), "k") for _ in range(5)))
    assert len({outcome.signed.signature for outcome in outcomes}) == 1
    assert await steps(shop) == ["Start", "Finish"]


async def test_without_a_key_each_request_is_a_receipt(shop: Shop) -> None:
    await shop.transactions.sign(wish(shop))
    await shop.transactions.sign(wish(shop))
    assert await steps(shop) == ["Start", "Finish"] * 2


async def test_a_client_that_hangs_up_gets_its_signature_when_it_asks_again(shop: Shop) -> None:
    caller = asyncio.create_task(shop.transactions.sign(wish(shop), "k"))
    await asyncio.sleep(0)
    caller.cancel()
    outcome = await shop.transactions.sign(wish(shop), "k")
    assert outcome.replayed
    assert await steps(shop) == ["Start", "Finish"]


async def test_a_client_is_not_kept_longer_than_it_waits_and_gets_its_signature_when_it_asks_again(shop: Shop) -> None:
    transactions = Transactions(
        shop.registry, shop.journal, shop.metrics, lock_wait=5, longest=0.1, now=lambda: float(NOW)
    )
    async with exclusive(shop.registry.devices()[0], 0):
        with pytest.raises(DeviceTimeout, match="same Idempotency-Key"):
            await transactions.sign(wish(shop), "k")
    await transactions.close()
    assert (await transactions.sign(wish(shop), "k")).replayed
    assert await steps(shop) == ["Start", "Finish"]


async def test_death_before_the_start_leaves_nothing(shop: Shop) -> None:
    await begun(shop, wish(shop), "k")
    assert not (await shop.transactions.sign(wish(shop), "k")).replayed
    assert await steps(shop) == ["Start", "Finish"]


async def test_an_orphan_start_is_found_and_finished(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop), "k")
    started = await step(device.command, device, TransactionStep.START)
    outcome = await shop.transactions.sign(wish(shop), "k")
    assert (outcome.signed.number, outcome.start_time) == (started.transaction_number, started.log_time)
    assert await steps(shop) == ["Start", "Finish"]


async def test_a_finish_whose_answer_died_is_found(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop), "k")
    reply = await receipt(device.command, device, data=DATA)
    outcome = await shop.transactions.sign(wish(shop), "k")
    assert outcome.replayed
    assert outcome.signed.signature == reply.signature
    assert await steps(shop) == ["Start", "Finish"]


@pytest.mark.parametrize("action", [Action.UPDATE, Action.FINISH])
async def test_a_single_step_whose_answer_died_is_found(shop: Shop, action: Action) -> None:
    device = shop.registry.devices()[0]
    number = (await step(device.command, device, TransactionStep.START)).transaction_number
    await begun(shop, wish(shop, action, number), "k")
    reply = await step(device.command, device, action.event, number=number, data=DATA, process_type=b"Kassenbeleg-V1")
    outcome = await shop.transactions.sign(wish(shop, action, number), "k")
    assert outcome == SigningResult(outcome.signed, None, replayed=True)
    assert outcome.signed.signature == reply.signature


async def test_a_start_whose_answer_died_is_found(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop, Action.START), "k")
    reply = await step(device.command, device, TransactionStep.START)
    outcome = await shop.transactions.sign(wish(shop, Action.START), "k")
    assert (outcome.signed.number, outcome.start_time) == (reply.transaction_number, reply.log_time)
    assert await steps(shop) == ["Start"]


async def test_the_start_of_another_client_is_nobody_elses(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop), "k")
    await step(device.command, device, TransactionStep.START, b"POS-2")
    outcome = await shop.transactions.sign(wish(shop), "k")
    assert outcome.signed.number == 2
    assert await steps(shop) == ["Start", "Start", "Finish"]


async def test_a_later_start_of_the_same_till_is_not_taken_for_the_lost_one(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop), "k")
    await device.command(SetTime(NOW + 10).encode())  # what comes first after a power cycle
    await step(device.command, device, TransactionStep.START)
    assert (await shop.transactions.sign(wish(shop), "k")).signed.number == 2


@pytest.mark.parametrize(("between", "found"), [(0, False), (1, True), (2, True), (3, False)])
async def test_a_start_at_the_place_of_the_lost_one_is_it_if_its_counter_is_one_of_the_next_two(
    shop: Shop, between: int, found: bool
) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop, Action.START), "k")
    record = shop.journal.find("k")
    assert record is not None
    await shop.journal.begin(replace(record, signatures=record.signatures + 1 - between))
    await step(device.command, device, TransactionStep.START)
    signed = (await shop.transactions.sign(wish(shop, Action.START), "k")).signed
    assert signed.number == (1 if found else 2)


@pytest.mark.parametrize("action", [Action.SIGN, Action.START])
async def test_a_lost_start_belongs_to_one_key_only(shop: Shop, action: Action) -> None:
    await begun(shop, wish(shop, action), "first")
    second = await shop.transactions.sign(wish(shop, action), "second")
    first = await shop.transactions.sign(wish(shop, action), "first")
    assert first.signed.number != second.signed.number
    assert (await steps(shop)).count("Start") == 2


async def test_what_the_last_process_left_is_cleared_without_being_asked(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await begun(shop, wish(shop), "signed")
    reply = await receipt(device.command, device, data=DATA)
    await begun(shop, wish(shop), "nothing")
    await cleared(shop)
    record = shop.journal.find("signed")
    assert record is not None
    assert record.done is not None
    assert record.done.signature == reply.signature
    assert shop.journal.find("nothing") is None


@pytest.mark.parametrize("signature", [1, 2])
async def test_an_answer_of_the_tse_that_is_lost_is_no_lost_signature(shop: Shop, signature: int) -> None:
    """`signature`: the answer to the start is lost, or that to the finish."""
    shop.registry.changed.clear()
    shop.lose_answer_to(signature)
    with suppress(DeviceError):  # or the gateway has found the answer already
        await shop.transactions.sign(wish(shop), "k")
    async with asyncio.timeout(20):
        while shop.registry.devices()[0].failed.is_set():
            await shop.registry.changed.wait()
            shop.registry.changed.clear()
    outcome = await shop.transactions.sign(wish(shop), "k")
    assert outcome.signed.signature == (await messages(shop))[-1].signature
    assert await steps(shop) == ["Start", "Finish"]


async def test_a_refused_receipt_may_be_asked_for_again(shop: Shop) -> None:
    with pytest.raises(CommandRejected, match="not registered"):
        await shop.transactions.sign(wish(shop, client=b"POS-9"), "k")
    assert (await shop.transactions.sign(wish(shop), "k")).signed.number == 1


async def test_while_the_tse_is_away_a_request_fails_at_once_and_nothing_is_signed_later(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    await device.let_go(said("the TSE was unplugged"))
    with pytest.raises(DeviceGone, match="unplugged"):
        await shop.transactions.sign(wish(shop), "k")
    assert shop.journal.find("k") is None


async def test_a_transaction_that_ended_otherwise_is_told(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    started = await step(device.command, device, TransactionStep.START)
    wanted = wish(shop, Action.FINISH, started.transaction_number)
    await begun(shop, wanted, "k")
    await step(device.command, device, TransactionStep.FINISH, number=1, data=b"AV", process_type=b"SonstigerVorgang")
    for _ in range(2):
        with pytest.raises(EndedOtherwise):
            await shop.transactions.sign(wanted, "k")


async def test_after_stored_data_were_deleted_an_unknown_end_stays_unknown_and_nothing_is_signed_twice(
    shop: Shop,
) -> None:
    device = shop.registry.devices()[0]
    await receipt(device.command, device)
    await begun(shop, wish(shop), "k")
    await device.command(Login(User.ADMIN, ADMIN_PIN).encode())
    await device.read_info()
    await device.command(AcknowledgeExport(device.info.used_blocks * 512).encode())
    await device.command(DeleteStoredData().encode())
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await shop.transactions.sign(wish(shop), "k")
        shop.restart()


async def test_a_full_disk_refuses_before_anything_is_signed(shop: Shop, tmp_path: Path) -> None:
    shop.journal_path.unlink()
    shop.journal_path.symlink_to("/dev/full")
    with pytest.raises(JournalFailed, match="No space left"):
        await shop.transactions.sign(wish(shop), "k")
    assert await steps(shop) == []
    shop.journal_path.unlink()  # there is room again
    assert (await shop.transactions.sign(wish(shop), "k")).signed.number == 1
    shop.restart()
    assert (await shop.transactions.sign(wish(shop), "k")).replayed


async def test_a_gateway_whose_disk_is_full_at_its_start_serves_those_without_a_key(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.transactions.sign(wish(shop), "a")
    whole = shop.journal_path.read_bytes()
    shop.journal_path.write_bytes(whole + b'{"half of a li')

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(AppendLog, "rewrite", full)
        shop.restart()
    assert (await shop.transactions.sign(wish(shop), "a")).replayed
    await shop.transactions.sign(wish(shop), "b")  # the line must not be glued to the half one
    shop.restart()
    assert (await shop.transactions.sign(wish(shop), "b")).replayed


async def test_a_journal_that_cannot_be_read_is_left_as_it_is_and_nothing_is_signed_under_a_key(shop: Shop) -> None:
    shop.journal_path.unlink()
    shop.journal_path.mkdir()
    shop.restart()
    assert (await shop.transactions.sign(wish(shop))).signed.number == 1
    with pytest.raises(JournalFailed, match="cannot be read"):
        await shop.transactions.sign(wish(shop), "k")
    assert shop.journal_path.is_dir()
    assert await steps(shop) == ["Start", "Finish"]


async def test_half_a_line_at_the_end_of_the_journal_is_left_out(shop: Shop) -> None:
    await shop.transactions.sign(wish(shop), "a")
    await shop.transactions.sign(wish(shop), "b")
    whole = shop.journal_path.read_bytes()
    shop.journal_path.write_bytes(whole[:-20])
    shop.restart()
    assert (await shop.transactions.sign(wish(shop), "b")).replayed
    assert await steps(shop) == ["Start", "Finish"] * 2


def test_old_keys_are_forgotten_unless_nobody_knows_their_end(tmp_path: Path) -> None:
    now = float(NOW)
    journal = Journal(tmp_path / "journal", now=lambda: now)
    known = JournalRecord("known", "f", "sign", "S", "POS-1", 1, 1, now, sure=True)
    asyncio.run(journal.begin(known))
    asyncio.run(journal.begin(replace(known, key="unknown", sure=False)))
    now += 4 * 86400
    later = Journal(tmp_path / "journal", now=lambda: now)
    assert later.find("known") is None
    assert [record.key for record in later.unclear()] == ["unknown"]


async def test_of_too_many_keys_the_oldest_are_forgotten_and_no_unknown_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.operations.journal.KEPT_KEYS", 10)
    journal = Journal(tmp_path / "journal", now=lambda: float(NOW))
    first = JournalRecord("0", "f", "sign", "S", "POS-1", 1, 1, float(NOW), sure=True)
    for number in range(30):
        await journal.begin(replace(first, key=str(number), sure=number not in {0, 3, 20}))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    kept = [record.key for record in Journal(tmp_path / "journal", now=lambda: float(NOW)).records()]
    assert kept == ["0", "3", "20", *map(str, range(23, 30))]


async def test_a_journal_that_cannot_be_written_anew_goes_on_where_it_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(AppendLog, "rewrite", full)
    monkeypatch.setattr(journal, "_GARBAGE_LINES", 5)
    shop.restart()
    for number in range(8):
        await shop.transactions.sign(wish(shop), f"k{number}")
    assert 1 < caplog.text.count("cannot be written anew") < 6  # at the start, and now and then
    shop.restart()
    assert (await shop.transactions.sign(wish(shop), "k0")).replayed


async def test_a_flipped_byte_in_the_journal_is_never_replayed_as_a_signature(shop: Shop, tmp_path: Path) -> None:
    signed = (await shop.transactions.sign(wish(shop), "the-key")).signed
    shop.restart()  # one line is left: that of the signature
    line = shop.journal_path.read_bytes()
    assert line.count(b"\n") == 1
    damaged = tmp_path / "damaged.journal"
    for place in range(len(line) - 1):
        for path in (damaged, tmp_path / "damaged.journal.damaged"):
            path.unlink(missing_ok=True)
        damaged.write_bytes(line[:place] + bytes([line[place] ^ 0x01]) + line[place + 1 :])
        record = Journal(damaged, now=lambda: float(NOW)).find("the-key")
        if record is None:
            assert place <= line.index(b"the-key") + len(b"the-key")
        else:
            assert record.done == signed or record.given_up == OutcomeUnknown.code


async def test_a_key_of_which_only_a_damaged_line_is_left_is_not_signed_again(shop: Shop) -> None:
    await shop.transactions.sign(wish(shop), "k")
    shop.restart()
    shop.journal_path.write_bytes(shop.journal_path.read_bytes().replace(b'"number": 1', b'"number": 2'))
    for _ in range(2):
        shop.restart()
        with pytest.raises(OutcomeUnknown, match="cannot be found out"):
            await shop.transactions.sign(wish(shop), "k")
    assert await steps(shop) == ["Start", "Finish"]


async def test_when_the_line_of_the_signature_is_damaged_the_tse_is_asked(shop: Shop) -> None:
    signed = (await shop.transactions.sign(wish(shop), "k")).signed
    lines = shop.journal_path.read_bytes().splitlines(keepends=True)
    shop.journal_path.write_bytes(b"".join(lines[:-1]) + lines[-1].replace(b'"done": {', b'"done": ['))
    shop.restart()
    assert (await shop.transactions.sign(wish(shop), "k")).signed == signed
    assert await steps(shop) == ["Start", "Finish"]


async def test_lines_of_before_without_a_checksum_are_read(shop: Shop) -> None:
    first = await shop.transactions.sign(wish(shop), "k")
    line = re.sub(rb', "crc32": "[0-9a-f]{8}"', b"", shop.journal_path.read_bytes())
    assert b"crc32" not in line
    shop.journal_path.write_bytes(line)
    shop.restart()
    assert await shop.transactions.sign(wish(shop), "k") == replace(first, replayed=True)
    shop.journal_path.write_bytes(re.sub(rb'"signature": "....', b'"signature": "****', line))
    shop.restart()
    assert await shop.transactions.sign(wish(shop), "k") == replace(first, replayed=True)  # the TSE has told it


def test_how_long_keys_are_kept_is_told_to_developers() -> None:
    told = " ".join((Path(__file__).parents[2] / "docs/developers/rest-api.md").read_text().split())
    assert f"three days, at most {journal.KEPT_KEYS:,} of them" in told
    assert journal.KEPT_SECONDS == 3 * 86_400


def test_a_transaction_is_claimed_by_the_key_that_started_it_and_by_no_other(tmp_path: Path) -> None:
    known = Journal(tmp_path / "journal", now=lambda: float(NOW))
    record = JournalRecord("k", "f", "sign", "S", "POS-1", 1, 1, float(NOW), number=7)
    for key, action, number in (("a", "sign", 7), ("b", "start", 8), ("c", "update", 9), ("d", "finish", 10)):
        asyncio.run(known.begin(replace(record, key=key, action=action, number=number)))
    assert [number for number in range(12) if known.claims("S", number)] == [7, 8]
    assert not known.claims("T", 7)
    assert [len(known.unclear(serial)) for serial in ("S", "T", None)] == [4, 0, 4]


@pytest.mark.parametrize(("kept", "renewed"), [(4, False), (3, True)])
async def test_a_journal_is_written_anew_when_most_of_it_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, renewed: bool
) -> None:
    monkeypatch.setattr(journal, "_GARBAGE_LINES", kept)
    path = tmp_path / "journal"
    known = Journal(path, now=lambda: float(NOW))
    record = JournalRecord("k", "f", "sign", "S", "POS-1", 1, 1, float(NOW))
    for position in range(6):  # the last finds five lines, of which four tell nothing any more
        await known.begin(replace(record, position=position))
    assert len(path.read_bytes().splitlines()) == (2 if renewed else 6)
    again = Journal(path, now=lambda: float(NOW)).find("k")
    assert again == replace(record, position=5)


async def test_the_last_starts_are_known_and_no_more_of_them(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = [(await shop.transactions.sign(wish(shop, Action.START))).signed for _ in range(2)]
    known = [shop.transactions.start_time(shop.serial, start.number) for start in signed]
    assert known == [start.log_time for start in signed]
    monkeypatch.setattr("gateway.operations.transactions._STARTS_KEPT", 2)
    signed.append((await shop.transactions.sign(wish(shop, Action.START))).signed)
    known = [shop.transactions.start_time(shop.serial, start.number) for start in signed]
    assert known == [None, signed[1].log_time, signed[2].log_time]
    assert shop.transactions.start_time("another TSE", signed[2].number) is None


async def test_starts_under_a_key_are_known_after_a_restart(shop: Shop) -> None:
    signed = (await shop.transactions.sign(wish(shop, Action.START), "k")).signed
    shop.restart()
    assert shop.transactions.start_time(shop.serial, signed.number) == signed.log_time


def test_an_end_is_unclear_until_it_is_known_sure_or_given_up(tmp_path: Path) -> None:
    known = Journal(tmp_path / "journal", now=lambda: float(NOW))
    record = JournalRecord("begun", "f", "sign", "S", "POS-1", 1, 1, float(NOW))
    asyncio.run(known.begin(record))
    for key, change in {
        "done": {"done": Signed(1, 2, 3, b"s")},
        "sure": {"sure": True},
        "given up": {"given_up": OutcomeUnknown.code},
    }.items():
        asyncio.run(known.begin(replace(record, key=key, **change)))  # type: ignore[arg-type]
    assert [item.key for item in known.unclear()] == ["begun"]
    assert Journal(tmp_path / "journal", now=lambda: float(NOW)).records() == known.records()


async def test_a_damaged_line_behind_one_that_gave_a_key_up_has_the_tse_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    known = Journal(path, now=lambda: float(NOW))
    record = JournalRecord("k", "f", "sign", "S", "POS-1", 1, 1, float(NOW), given_up=OutcomeUnknown.code)
    for _ in range(2):
        await known.begin(record)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"position": 1', b'"position": 2'))
    again = Journal(path, now=lambda: float(NOW))
    assert again.unclear() == [replace(record, given_up="")]


async def test_a_finish_that_is_refused_is_not_signed_under_a_second_start(shop: Shop) -> None:
    refused = replace(wish(shop), process_type=b"x" * 101)
    for _ in range(2):
        with pytest.raises(CommandRejected):
            await shop.transactions.sign(refused, "k")
        record = shop.journal.find("k")
        assert record is not None
        assert (record.number, record.unclear) == (1, False)
    assert await steps(shop) == ["Start"]


async def test_an_update_that_is_refused_leaves_its_key_free(shop: Shop) -> None:
    with pytest.raises(CommandRejected):
        await shop.transactions.sign(wish(shop, Action.UPDATE, number=9), "k")
    assert shop.journal.find("k") is None


async def test_a_finish_that_is_tried_again_and_lost_is_not_signed_twice(shop: Shop) -> None:
    device = shop.registry.devices()[0]
    number = (await step(device.command, device, TransactionStep.START)).transaction_number
    await begun(shop, wish(shop), "k")
    record = shop.journal.find("k")
    assert record is not None
    await shop.journal.update(replace(record, number=number, sure=True))  # its start is there, its finish is not
    shop.lose_command_of(1)
    with pytest.raises(DeviceError):
        await shop.transactions.sign(wish(shop), "k")
    assert [item.key for item in shop.journal.unclear()] == ["k"]  # the next process would not know better either
    await shop.until_usable()
    assert (await shop.transactions.sign(wish(shop), "k")).signed.number == number
    assert await steps(shop) == ["Start", "Finish"]


async def test_a_key_that_is_freed_or_forgotten_is_none_of_its_transaction(tmp_path: Path) -> None:
    now = float(NOW)
    known = Journal(tmp_path / "journal", now=lambda: now)
    first = JournalRecord("a", "f", "start", "S", "POS-1", 1, 1, now, number=7, sure=True)
    second = replace(first, key="b", action="finish", at=now + 3 * 86_400)
    for record in (first, second):
        await known.begin(record)
    assert known.of_transaction("S", 7) == [first, second]
    moved = replace(second, number=8)
    await known.update(moved)
    assert (known.of_transaction("S", 7), known.of_transaction("S", 8)) == ([first], [moved])
    await known.void(moved)
    assert known.of_transaction("S", 8) == []
    now += 4 * 86_400
    await known.begin(replace(second, key="c", at=now))
    assert [record.key for record in known.of_transaction("S", 7)] == ["c"]


async def test_the_end_waits_for_what_was_begun_though_it_fails(shop: Shop) -> None:
    signing = asyncio.create_task(shop.transactions.sign(wish(shop, client=b"POS-9")))
    await asyncio.sleep(0)
    await shop.transactions.close()
    with pytest.raises(CommandRejected):
        await signing


@pytest.mark.parametrize("size", [100, 512])
async def test_process_data_are_not_written_once_the_lock_is_lost(shop: Shop, size: int) -> None:
    device = shop.registry.devices()[0]
    async with exclusive(device, 1) as tse:
        device.lock.revoke(said("it hangs"))
        device.lock.reopened()
        with pytest.raises(DeviceGone, match="opened afresh"):
            await tse.write(device.info.used_blocks + 1, b"x" * size)


def test_a_damaged_line_without_a_key_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"damaged\n")
    assert Journal(tmp_path / "journal", now=lambda: float(NOW)).records() == []
