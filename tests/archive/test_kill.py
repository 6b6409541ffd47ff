"""kill -9 at any moment leaves an archive that is whole, and the next run goes on.

Each step that reaches the disk is tried; ARCHIVE_KILLS=n adds n kills at random moments.
"""

import multiprocessing
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.archive.check import demand_intact
from gateway.archive.directory import ArchiveDirectory
from gateway.archive.run import ArchiveOptions
from gateway.archive.service import ArchiveService
from gateway.fleet.registry import Registry
from gateway.telemetry.metrics import Metrics
from tests.archive.conftest import Shop
from tests.archive.killed_run import Attempt, attempt_all, run_once
from tests.archive.recorded import Recorded, recorded

_MORE_THAN_ENOUGH = 200


def run_and_kill(tse: Recorded, before: Path, attempts: Sequence[Attempt]) -> list[Path]:
    """The directories of all that were made."""
    processes = multiprocessing.get_context("spawn")  # this one has threads, and must not be forked
    parent = processes.Process(target=attempt_all, args=(tse, before, attempts))
    parent.start()
    parent.join(90)
    assert parent.exitcode == 0
    return [attempt.directory for attempt in attempts if attempt.directory.exists()]


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def kept(serial: str, directory: Path) -> bytes:
    """The restored store; all files are looked at."""
    index = ArchiveDirectory(directory, serial).index()
    assert index.broken == ()
    demand_intact(ArchiveDirectory(directory, serial), index.segments)
    archives = ArchiveService(Registry(Metrics()), Metrics(), directory, ArchiveOptions())
    await archives.open()
    volume = await archives.restore(serial, None)
    return b"".join([piece async for piece in volume.read(0, volume.size)])


@pytest.fixture
async def nights(shop: Shop) -> tuple[Recorded, Path]:
    """An archive of the first night, and the TSE after the second day."""
    await shop.sell(1)
    await shop.run()
    await shop.sell(4)
    return await recorded(shop.device), shop.directory


async def look_and_go_on(tse: Recorded, directory: Path) -> None:
    """After a kill."""
    assert tse.store.startswith((await kept(tse.serial, directory))[:-1024])
    await run_once(tse, directory)
    assert await kept(tse.serial, directory) == tse.store
    assert ".draft.tar" not in names_in(directory / tse.serial)


async def test_whatever_step_a_kill_hits_the_archive_is_whole_and_the_next_run_goes_on(
    nights: tuple[Recorded, Path], tmp_path: Path
) -> None:
    tse, before = nights
    attempts = [Attempt(tmp_path / f"step-{step}", steps=step) for step in range(1, _MORE_THAN_ENOUGH)]
    made = run_and_kill(tse, before, attempts)
    assert 30 < len(made) < len(attempts)  # the last one came to its end
    for directory in made:
        await look_and_go_on(tse, directory)


async def test_kills_at_random_moments(nights: tuple[Recorded, Path], tmp_path: Path) -> None:
    tse, before = nights
    kills = int(os.environ.get("ARCHIVE_KILLS", "5"))
    attempts = [Attempt(tmp_path / f"kill-{kill}", seconds=random.uniform(0.001, 0.2)) for kill in range(kills)]
    for directory in run_and_kill(tse, before, attempts):
        await look_and_go_on(tse, directory)
