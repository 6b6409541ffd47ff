"""Stored data are deleted only when the archive holds all of them, verified and intact."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from gateway.archive.deletion import Deletion, NotArchived, RestNotKept
from gateway.archive.directory import ArchiveDirectory, NewSegment
from gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveNotWritten
from gateway.archive.manifest import ArchiveVerdict, Manifest
from gateway.clock.trusted import Clock
from gateway.fleet.pins.retry_guard import PinOrPuk
from gateway.operations.administration import Administration
from gateway.operations.confirmations import Irreversible
from tests.archive.conftest import Shop
from tests.archive.test_trouble import flip
from tests.support import ADMIN_PIN
from tests.texts import said

Delete = Callable[[], Awaitable[object]]


@pytest.fixture
def delete(shop: Shop) -> Delete:
    administration = Administration(shop.registry, lock_wait=5, clock=Clock())
    deletion = Deletion(shop.registry, administration, shop.archives)

    async def confirmed() -> object:
        token = administration.confirmations.ask(shop.serial, Irreversible.DELETE_STORED_DATA).token
        return await deletion.delete(shop.serial, PinOrPuk(ADMIN_PIN), token)

    return confirmed


async def test_after_a_deletion_nothing_is_missing_and_a_new_series_begins(shop: Shop, delete: Delete) -> None:
    for _ in range(2):
        await shop.sell(2)
        await delete()
    await shop.sell(1)
    done = await shop.run()
    assert done.verdict is ArchiveVerdict.OK
    status = await shop.status()
    assert (status.verdict, status.series) == ("ok", 3)
    assert await shop.restored() == await shop.export()
    counters = [(one.first_counter, one.last_counter) for one in status.segments]
    assert counters[0][0] == 1
    assert all(before[1] is not None and before[1] + 1 == after[0] for before, after in itertools.pairwise(counters))


async def test_a_damaged_archive_forbids_it(shop: Shop, delete: Delete) -> None:
    await shop.sell(2)
    await shop.run()
    stored = await shop.export()
    flip(shop.folder / "0001-000001.tar")
    with pytest.raises(NotArchived, match="changed files"):
        await delete()
    assert await shop.export() == stored


async def test_each_file_is_read_though_it_was_long_ago_that_it_was_its_turn(
    shop: Shop, delete: Delete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.archive.run._CHECKED_AT_LEAST", 1)
    for _ in range(3):
        await shop.sell(1)
        await shop.run()
    stored = await shop.export()
    flip(shop.folder / "0001-000002.tar")
    with pytest.raises(ArchiveDamaged, match="put it back"):
        await delete()
    assert await shop.export() == stored


async def test_what_the_verifier_refused_is_not_deleted(
    shop: Shop, delete: Delete, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ArchiveDirectory.commit

    def refused(directory: ArchiveDirectory, segment: NewSegment, manifest: Manifest) -> None:
        commit(directory, segment, manifest.model_copy(update={"verdict": ArchiveVerdict.ERROR}))

    monkeypatch.setattr(ArchiveDirectory, "commit", refused)
    await shop.run()
    monkeypatch.undo()
    await shop.restart().open()
    stored = await shop.export()
    with pytest.raises(NotArchived):
        await delete()
    assert await shop.export() == stored


@pytest.mark.parametrize(("failing", "error"), [(1, ArchiveNotWritten), (2, RestNotKept)])
async def test_without_room_for_all_of_it_nothing_is_deleted(
    shop: Shop, delete: Delete, monkeypatch: pytest.MonkeyPatch, failing: int, error: type[Exception]
) -> None:
    await shop.sell(2)
    commit = ArchiveDirectory.commit

    def full(directory: ArchiveDirectory, segment: NewSegment, manifest: Manifest) -> None:
        if manifest.number == failing:
            raise ArchiveNotWritten(said("no space left on device"))
        commit(directory, segment, manifest)

    monkeypatch.setattr(ArchiveDirectory, "commit", full)
    stored = await shop.export()
    with pytest.raises(error):
        await delete()
    assert (await shop.export()).startswith(stored[:-1024])
    monkeypatch.undo()
    await delete()
    assert len(await shop.export()) < len(stored)


async def test_while_a_run_goes_on_nothing_is_deleted(shop: Shop, delete: Delete) -> None:
    async with shop.archives.taken(shop.device):
        with pytest.raises(ArchiveBusy):
            await delete()
