"""Files that survive a power cut: the new content or the old one, never half of either."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, *, durable: bool, mode: int = 0o600) -> None:
    """Put `content` in place of the file in one step; with `durable` it is on the disk when this returns."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_all(handle, content, 0)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
    if durable:
        sync_directory(path.parent)


def write_all(handle: int, content: bytes, offset: int) -> None:
    """All of `content` at `offset`, however many writes that takes."""
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def sync_directory(directory: Path) -> None:
    """Make new names in `directory` last."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
