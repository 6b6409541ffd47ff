"""The way of one LAN command through the fleet enters few files, so that it can be read in one sitting."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import gateway.fleet
from gateway.tse.commands import (
    AbortImport,
    CloseImport,
    FlashHealth,
    ListTransactions,
    OpenImport,
    SelfTest,
    TransactionStep,
)
from gateway.tse.fields import Command
from tests.server.api.client import make_ready
from tests.server.shop import Served, serve, settings_for, till_of
from tests.support import CLIENT

MOST = 7
FLEET = Path(gateway.fleet.__file__).parent
START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"")


@contextmanager
def entered() -> Iterator[set[Path]]:
    """The files whose functions are called meanwhile in the event loop, but for its tasks in the background."""
    files: set[Path] = set()

    def on_call(frame: FrameType, event: str, _: object) -> None:
        task = asyncio.current_task()
        if event == "call" and (task is None or task.get_name().startswith("Task-")):  # the others have names
            files.add(Path(frame.f_code.co_filename))

    sys.setprofile(on_call)
    try:
        yield files
    finally:
        sys.setprofile(None)


async def files_of(served: Served, before: Command | None, command: Command) -> set[str]:
    """What each of three runs of `command` enters: what something else enters meanwhile is not in all of them."""
    runs = []
    async with till_of(served) as till:
        session = await till.lock()
        for _ in range(3):
            if before is not None:
                await till.command(session, before.encode())
            with entered() as files:
                answer = await till.command(session, command.encode())
            assert answer.status == 200
            runs.append({str(file.relative_to(FLEET)) for file in files if file.is_relative_to(FLEET)})
    return set.intersection(*runs)


@pytest.mark.parametrize(
    ("before", "command"),
    [
        (AbortImport(), START),
        (START, CloseImport()),
        (None, SelfTest(CLIENT)),
        (None, ListTransactions(0, CLIENT)),
        (None, FlashHealth()),
    ],
    ids=lambda command: "" if command is None else command.title,
)
async def test_a_command_enters_at_most_seven_files_of_the_fleet(
    tmp_path: Path, before: Command | None, command: Command
) -> None:
    async with serve(settings_for(tmp_path)) as served:
        await make_ready(served)
        files = await files_of(served, before, command)
    assert {"registry.py", "device.py", "lock/queue.py", "commands/pipeline.py"} <= files
    assert len(files) <= MOST, f"it enters {sorted(files)}"
