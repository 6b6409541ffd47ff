"""Small files that are replaced in one step: after a crash there is the new content or the old one, never a mixture."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gateway.errors import ConfigurationError
from gateway.i18n.text import Text, reason_of


def replace_file(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o600) -> None:
    """Put `data` in place of `path`; with `durable` it outlasts a power cut from the return on.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    with replacing(path, durable=durable, mode=mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, durable: bool = True, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Give a file for the block to write, which takes the place of `path` at its end, as of `replace_file`.

    A block that raises leaves the old content.
    """
    draft = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        draft.unlink()  # left by a crash
    try:
        with new_file(draft, mode=mode) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):  # it may have taken the last room on the disk
            draft.unlink()
        raise
    if durable:
        sync_directory(path.parent)


def new_file(path: Path, *, mode: int = 0o600) -> IO[bytes]:
    """Make a file that is not there yet, and return it to be written."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def write_private(path: Path, data: bytes) -> None:
    """Do as `replace_file` with mode 0600; a missing directory is made with mode 0700.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        make_directory(path.parent)
        replace_file(path, data)
    except OSError as error:
        raise ConfigurationError(
            Text("{path} cannot be written: {reason}", "{path} lässt sich nicht schreiben: {reason}"),
            path=path,
            reason=reason_of(error),
        ) from None


def read_private(path: Path) -> bytes | None:
    """Return the content of `path`, `None` if it is not there.

    Raises:
        ConfigurationError: it is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            Text("{path} cannot be read: {reason}", "{path} lässt sich nicht lesen: {reason}"),
            path=path,
            reason=reason_of(error),
        ) from None


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Make a directory and what is missing above it; their names outlast a power cut from the return on.

    Raises:
        OSError: it cannot be made.
    """
    if not path.is_dir():
        make_directory(path.parent, mode=0o777)
        path.mkdir(mode=mode, exist_ok=True)
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` outlast a power cut from now on."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
