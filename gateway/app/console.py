"""A gateway that was started on a terminal: it shows what the POS needs, and stops at `quit`."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


def show_connection_data(address: str, port: int, token: str, session_file: Path) -> None:
    """Print the three values for the POS, the token among them; to a terminal only."""
    if not sys.stdout.isatty():
        return
    print(f"\n  Address   {address}\n  Port      {port}\n  apiToken  {token}\n")
    print(f"  These three values go into the POS; they also stand in {session_file}")
    print("  Type quit to stop.\n")


@contextlib.contextmanager
def quit_command(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` when somebody types `quit`."""
    if not sys.stdin.isatty():
        yield
        return

    def read() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin)
        elif line.strip().lower() == "quit":
            stop()

    loop.add_reader(sys.stdin, read)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
