"""An archive over several nights: complete, verified, and the whole store can be restored from it."""

import itertools
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.archive.directory import ArchiveState
from gateway.archive.errors import ArchiveBusy, NothingArchived
from gateway.archive.manifest import ArchiveVerdict, Manifest
from gateway.errors import UnknownDevice
from gateway.tse.commands import AcknowledgeExport, DeleteStoredData, Login, Logout, SelfTest, TransactionStep, User
from gateway.tse.layout import store_file
from gateway.verify.files import Options, verify_file
from gateway.verify.texts import worst
from tests.archive.conftest import Shop
from tests.server.shop import serve, settings_for, until
from tests.support import ADMIN_PIN, CLIENT, set_up, step


async def test_over_several_nights_the_archive_becomes_the_whole_store(shop: Shop, tmp_path: Path) -> None:
    for night in range(4):
        await shop.sell(night)  # in the first one nothing but the set-up was signed
        done = await shop.run()
        assert done.verdict is ArchiveVerdict.OK
        assert done.findings == []
        assert done.complete_up_to_counter == shop.device.info.created_signatures
        assert await shop.restored() == await shop.export()
        shop.after(days=1)
    segments = await shop.segments()
    assert [segment.file for segment in segments] == [f"0001-{number:06}.tar" for number in (1, 2, 3, 4)]
    assert [segment.messages for segment in segments[1:]] == [2, 4, 6]
    (tmp_path / "restored.tar").write_bytes(await shop.restored())
    report = verify_file(str(tmp_path / "restored.tar"), Options(complete=True))
    assert report.counts.valid == report.counts.messages == sum(segment.messages for segment in segments)


async def test_each_segment_is_an_export_that_can_be_read_alone(shop: Shop) -> None:
    await shop.run()
    await shop.sell(2)
    await shop.run()
    for segment in await shop.segments():
        with tarfile.open(shop.folder / segment.file) as tar:
            names = tar.getnames()
        assert names[0] == "info.csv"
        assert names[1].endswith("_X509.pem")
        report = verify_file(str(shop.folder / segment.file))
        assert report.counts.valid == segment.messages == len(names) - 2
        assert worst(report.findings) in (None, 1)


async def test_a_transaction_that_is_open_over_night_is_in_order(shop: Shop) -> None:
    send = shop.device.command
    opened = await step(send, shop.device, TransactionStep.START)
    await shop.sell(3)
    assert (await shop.run()).verdict is ArchiveVerdict.OK
    await step(send, shop.device, TransactionStep.FINISH, number=opened.transaction_number)
    await shop.sell(2)
    assert (await shop.run()).verdict is ArchiveVerdict.OK


async def test_where_nothing_was_signed_no_segment_is_added_and_that_is_a_success(shop: Shop) -> None:
    await shop.run()
    shop.after(days=1)
    done = await shop.run()
    assert (done.added, done.messages) == ([], 0)
    status = await shop.status()
    assert status.last_success == shop.now
    assert len(status.segments) == 1


async def test_a_large_store_is_cut_between_entries(shop: Shop) -> None:
    shop.restart(segment_bytes=40_000)
    await shop.sell(30, data=b"x" * 3000)
    await shop.run()
    segments = await shop.segments()
    assert len(segments) > 3
    assert max(segment.size for segment in segments) < 50_000
    assert await shop.restored() == await shop.export()
    counters = [(segment.first_counter, segment.last_counter) for segment in segments]
    assert all(last + 1 == first for (_, last), (first, _) in itertools.pairwise(counters) if last)


async def test_what_was_kept_is_known_after_a_restart(shop: Shop) -> None:
    await shop.sell(1)
    await shop.run()
    before = await shop.status()
    await shop.restart().open()
    assert await shop.status() == before
    await shop.sell(1)
    await shop.run()
    assert len(await shop.segments()) == 2
    assert await shop.restored() == await shop.export()


async def delete_behind_our_back(shop: Shop) -> None:
    """As the software of a POS does it."""
    send = shop.device.command
    await send(Login(User.ADMIN, ADMIN_PIN).encode())
    await shop.device.read_info()
    await send(AcknowledgeExport((shop.device.info.used_blocks + 2) * 512).encode())
    await send(DeleteStoredData().encode())
    await send(Logout(User.ADMIN).encode())


async def test_after_stored_data_were_deleted_a_new_series_begins(shop: Shop) -> None:
    await shop.sell(2)
    await shop.run()
    whole = await shop.restored()
    await delete_behind_our_back(shop)
    await shop.sell(40)  # longer than before: the length alone does not tell
    done = await shop.run()
    assert await shop.restored() == await shop.export()
    assert await shop.restored(series=1) == whole
    assert [segment.file for segment in await shop.segments()] == ["0001-000001.tar", "0002-000001.tar"]
    assert done.verdict is ArchiveVerdict.ERROR  # the login before the deletion is in no archive
    (gap,) = done.findings
    last = (await shop.segments())[0].last_counter
    assert last is not None
    assert (gap.code, gap.places[0].place, gap.places[0].detail) == (
        "archive.gap",
        f"Sig-{last}",
        f"is followed by Sig-{last + 2}",
    )
    assert gap.places[0].detail_de == f"darauf folgt Sig-{last + 2}"
    status = await shop.status()
    assert (status.verdict, status.verify_failures) == ("error", 1)
    assert status.last_error is not None
    assert status.last_error.code == "archive_verify_failed"
    assert status.last_error.detail_de == (
        f"dem Archiv fehlen Signaturzähler, oder sie sind doppelt (archive.gap: Sig-{last} darauf folgt Sig-{last + 2})"
    )
    again = await shop.run()
    assert again.verdict is ArchiveVerdict.OK
    assert (await shop.status()).verdict == "error"  # what is missing stays missing


async def test_what_the_tse_holds_is_kept_though_its_signature_is_wrong_and_that_is_told(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.run()
    await shop.sell(2)
    before = len(await shop.export())
    store = tmp_path / "tse" / store_file(1)
    with store.open("r+b") as file:  # the last byte of the last message
        content = file.read(before).rstrip(b"\0")
        file.seek(len(content) - 1)
        file.write(bytes([content[-1] ^ 1]))
    done = await shop.run()
    assert (done.verdict, [found.code for found in done.findings]) == (ArchiveVerdict.ERROR, ["signature.invalid"])
    assert await shop.restored() == await shop.export()
    (_, segment) = await shop.segments()
    assert (segment.valid, segment.invalid) == (3, 1)
    assert shop.metrics.registry.get_sample_value(
        "tse_gateway_archive_runs_total", {"serial": shop.serial, "result": "archive_verify_failed"}
    )


async def test_one_run_at_a_time(shop: Shop) -> None:
    async with shop.archives.taken(shop.device):
        with pytest.raises(ArchiveBusy):
            await shop.run()
    await shop.run()


async def test_what_there_is_not_cannot_be_had(shop: Shop) -> None:
    with pytest.raises(UnknownDevice):
        await shop.archives.run("0" * 64)
    with pytest.raises(NothingArchived):
        await shop.archives.restore(shop.serial, None)
    with pytest.raises(NothingArchived):
        await shop.archives.file(shop.serial, "0001-000001.tar")


async def test_a_gateway_writes_archives_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.archive.schedule._LOOK", 0.02)
    started = datetime.now(UTC).astimezone() - timedelta(minutes=1)
    settings = settings_for(tmp_path, archive_at=started.time(), self_test_jitter=0, keep_alive=0.05)
    async with serve(settings) as served:
        device = served.registry.devices()[0]
        await set_up(device.command, served.tse.serial, now=int(time.time()))
        state = settings.state_dir / "archive" / served.serial / "state.json"
        await until(state.exists)
    yesterday = ArchiveState(first_seen=started - timedelta(days=1))
    state.write_text(yesterday.model_dump_json())
    async with serve(settings) as served:
        await served.registry.devices()[0].command(SelfTest(CLIENT).encode())
        await until((state.parent / "0001-000001.json").exists)
    assert Manifest.model_validate_json((state.parent / "0001-000001.json").read_bytes()).verdict is ArchiveVerdict.OK
    kept = ArchiveState.model_validate_json(state.read_bytes())
    assert kept.first_seen == yesterday.first_seen
