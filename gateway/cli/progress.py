"""Progress bars on standard error; nothing when it is no terminal."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_TICK = 0.2  # seconds


@asynccontextmanager
async def waiting(title: str, seconds: float) -> AsyncIterator[None]:
    """Show a bar that fills in about `seconds`, for what does not tell its progress."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with _bar(*columns, TextColumn("/"), TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=seconds)
        ticking = asyncio.create_task(_tick(bar, task))
        try:
            yield
        finally:
            ticking.cancel()


async def _tick(bar: Progress, task: TaskID) -> None:
    while True:
        await asyncio.sleep(_TICK)
        bar.advance(task, _TICK)


class TransferBar:
    """A bar that counts bytes."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, size: int) -> None:
        """Add `size` bytes."""
        self._bar.advance(self._task, size)

    def at(self, done: int, total: int | None) -> None:
        """Set the bytes that have come, and those in all if they are known."""
        self._bar.update(self._task, completed=done, total=total)


@contextmanager
def transfer(title: str, total: int | None, done: int = 0) -> Iterator[TransferBar]:
    """Show bytes with their rate and the remaining time."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with _bar(*columns, TimeRemainingColumn()) as bar:
        yield TransferBar(bar, bar.add_task(title, total=total, completed=done))


@contextmanager
def checking() -> Iterator[Callable[[str, int, int], None]]:
    """Show the messages that are checked; the function takes a file, the messages checked, and those in all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with _bar(*columns, TimeRemainingColumn()) as bar:
        tasks = dict[str, TaskID]()

        def advance(path: str, done: int, total: int) -> None:
            if path not in tasks:
                tasks[path] = bar.add_task(Path(path).name, total=total, rate="")
            speed = bar.tasks[tasks[path]].speed
            rate = f"{speed:.0f}/s" if speed else ""
            bar.update(tasks[path], completed=done, rate=rate, visible=done < total)

        yield advance


def _bar(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    # Asked itself: rich would draw into a pipe, too, if FORCE_COLOR is set.
    seen = sys.stderr.isatty() and not console.is_dumb_terminal
    return Progress(*columns, console=console, transient=True, disable=not seen)
