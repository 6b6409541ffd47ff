"""A directory as target: a mounted share, or another disk."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gateway.archive.targets.target import (
    CHUNK,
    StoredFile,
    TargetDiffers,
    TargetFull,
    TargetRefused,
    TargetUnreachable,
)
from gateway.i18n.text import Text, reason_of
from gateway.storage.atomic import make_directory, sync_directory

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class DirectoryTarget:
    """The directory `root`, which must be there. `apart_from`: on another file system than this one, if given."""

    def __init__(self, root: Path, apart_from: Path | None = None) -> None:
        self._root = root
        self._apart_from = apart_from

    def __enter__(self) -> Self:
        with _told(self._root):
            device = self._root.stat().st_dev
            if self._apart_from is not None and self._apart_from.stat().st_dev == device:
                raise TargetUnreachable(
                    Text(
                        "{root} lies on the disk of the archive itself: mount the share, in a container before it is "
                        "started",
                        "{root} liegt auf dem Datenträger des Archivs selbst: die Freigabe einhängen, bei einem "
                        "Container vor dessen Start",
                    ),
                    root=self._root,
                )
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def put(self, key: str, source: Path) -> None:
        """Write it beside under a hidden name, bring it to the disk, and rename it; as of `Target`."""
        path = self._root / key
        draft = path.with_name(f".{path.name}.new")
        with _told(path):
            if path.exists():
                return
            make_directory(path.parent, mode=0o755)
            with source.open("rb") as read, draft.open("wb") as written:
                shutil.copyfileobj(read, written, CHUNK)
                written.flush()
                os.fsync(written.fileno())
                os.fchmod(written.fileno(), 0o444)
            draft.rename(path)
            sync_directory(path.parent)

    def read(self, key: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """As of `Target`."""
        path = self._root / key
        with _told(path), path.open("rb") as file:
            file.seek(start)
            while chunk := file.read(CHUNK if size is None else min(CHUNK, size)):
                size = None if size is None else size - len(chunk)
                yield chunk

    def files(self, beginning: str = "") -> Iterator[StoredFile]:
        """As of `Target`."""
        for folder, _, names in os.walk(self._root / beginning, onerror=self._refuse):
            for name in names:
                path = Path(folder, name)
                if not name.startswith("."):
                    with _told(path):
                        yield StoredFile(path.relative_to(self._root).as_posix(), path.stat().st_size)

    @staticmethod
    def _refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            with _told(Path(str(error.filename))):
                raise error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise what the kernel says of `path` as an error of the target."""
    try:
        yield
    except FileNotFoundError:
        raise TargetDiffers(Text("{path} is missing", "{path} fehlt"), path=path) from None
    except OSError as error:
        kind = TargetFull if error.errno in _FULL else TargetRefused if error.errno in _REFUSED else TargetUnreachable
        raise kind(Text("{path}: {reason}", "{path}: {reason}"), path=path, reason=reason_of(error)) from None
