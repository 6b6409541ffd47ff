"""Files that one owner at a time may use (flock). The kernel takes a lock back, however its owner ends."""

import fcntl
import os
from pathlib import Path


def lock(handle: int, *, wait: bool = False) -> None:
    """Own the open file until `handle` is closed.

    Raises:
        BlockingIOError: another process, or another handle of this one, owns it; with `wait` that is waited for.
    """
    fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_locked(path: Path, *, wait: bool = False, mode: int = 0o600) -> int:
    """Open `path`, make it if it is missing, and `lock` it; return the handle."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        lock(handle, wait=wait)
    except OSError:
        os.close(handle)
        raise
    return handle
