"""Writes an archive in a process of its own, and is killed at a step that its parent chose."""

import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.archive.directory import ArchiveDirectory, NewSegment
from gateway.archive.run import ArchiveOptions
from gateway.archive.tse_archive import TseArchive
from gateway.telemetry.metrics import Metrics
from tests.archive.recorded import Recorded

_STEPS = ("open", "fsync", "rename", "replace", "unlink")
SEGMENT_BYTES = 7_000


class KillSwitch:
    """Counts the steps that reach the disk, and is the end of its process before the last of them is done."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self) -> bool:
        """Is this the last one?"""
        self._left -= 1
        return self._left == 0

    def arm(self) -> None:
        for name in _STEPS:
            setattr(os, name, self._counted(getattr(os, name)))
        write = NewSegment.write

        def write_half(segment: NewSegment, data: bytes) -> None:
            if self.step():
                write(segment, data[: len(data) // 2])
                die()
            write(segment, data)

        setattr(NewSegment, "write", write_half)  # noqa: B010 (the type checker minds an assignment)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if self.step():
                die()
            return call(*arguments, **options)

        return counted


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Attempt:
    """A run on a copy of an archive: killed at the step with this number, or after these seconds, unless they are 0."""

    directory: Path
    steps: int = 0
    seconds: float = 0.0


def attempt_all(tse: Recorded, before: Path, attempts: Sequence[Attempt]) -> None:
    """Each in a fork of this process, which has no threads; ends with the first that was not killed at its step."""
    with tempfile.TemporaryDirectory() as warm:  # what is loaded once need not be loaded in each fork
        asyncio.run(run_once(tse, Path(warm)))
    for attempt in attempts:
        shutil.copytree(before, attempt.directory)
        child = os.fork()
        if not child:
            _run_attempt(tse, attempt)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), f"{attempt}: {code}"
        if attempt.steps and not code:
            return


def _run_attempt(tse: Recorded, attempt: Attempt) -> None:
    if attempt.steps:
        KillSwitch(attempt.steps).arm()
    if attempt.seconds:
        threading.Timer(attempt.seconds, die).start()
    asyncio.run(run_once(tse, attempt.directory))
    os._exit(0)


async def run_once(tse: Recorded, directory: Path) -> None:
    archive = TseArchive(
        ArchiveDirectory(directory, tse.serial), ArchiveOptions(segment_bytes=SEGMENT_BYTES), Metrics()
    )
    archive.load()
    with archive.taken() as progress:
        await archive.run(tse.device, progress)
