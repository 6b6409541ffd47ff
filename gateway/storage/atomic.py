"""Small files that must be whole or not there, and nobody else's business. Anyone may import this."""

import os
from contextlib import suppress
from pathlib import Path

from gateway.errors import ConfigurationError


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data` at once, mode 0600; its directory is made with mode 0700.

    Raises:
        ConfigurationError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            draft.unlink()  # left by a crash
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


def read_private(path: Path) -> bytes | None:
    """The content of `path`, None if it is not there.

    Raises:
        ConfigurationError: it is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def sync_directory(directory: Path) -> None:
    """Names in it outlast a power cut from now on."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
