"""A disk on which only what was synced is sure to be there after a power cut, and which may be full or broken.

The files are real ones below `root`; while the disk is `mounted`, the calls of `os` by which the gateway writes come
through here:

    write             fails with `failure`, if one is set
    fsync, fdatasync  of a file: its content up to its present length is safe
                      of a directory: the names in it are safe, each with the file that it stands for now
    rename, unlink    change names, which a power cut may undo until their directory is synced

Files only grow or are made anew: content that is safe is never written over in place.
"""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

_CALLS = ("open", "close", "write", "fsync", "fdatasync", "fdopen", "rename", "replace", "unlink")
_real = SimpleNamespace(**{name: getattr(os, name) for name in _CALLS})
_BROKEN = frozenset({errno.EIO, errno.EROFS})  # then syncing fails, too

Trace = Callable[[str, str], None]
Chance = Callable[[], float]  # 0 to 1


class Disk:
    """`trace` is told each call and the name of its file before it is carried out; `failure` is an errno or 0."""

    def __init__(self, root: Path, trace: Trace = lambda _call, _name: None) -> None:
        self.root = root
        self.failure = 0
        self.trace = trace
        self._kept = root.with_name(f".{root.name}.kept")  # the files whose names are safe, by inode
        self._paths: dict[int, Path] = {}  # of open handles
        self._lengths: dict[int, int] = {}  # that are safe, by inode
        self._names: dict[Path, dict[str, int]] = {}  # that are safe, by directory
        for directory in (root, self._kept):
            directory.mkdir(parents=True, exist_ok=True)
        for found, _, names in os.walk(root):
            for name in names:
                status = (Path(found) / name).stat()
                self._lengths[status.st_ino] = status.st_size
            self._keep(Path(found))

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """The calls of `os` come through here."""
        with mock.patch.multiple(os, **{name: getattr(self, name) for name in _CALLS}):
            yield

    def power_cut(self, target: Path, chance: Chance = lambda: 0.0) -> None:
        """Copy to `target` what is there after a power cut.

        Of names and bytes that are not safe `chance` decides: 0 loses all of them, 1 keeps them.
        """
        self._copy(self.root, target, chance)

    def wipe(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self._kept, ignore_errors=True)

    # ---- the calls -----------------------------------------------------------

    def open(self, path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        mine = self._has(path)
        if mine and flags & os.O_CREAT and self.failure and not Path(path).exists():
            raise _failed(self.failure)
        handle: int = _real.open(path, flags, *arguments, **options)
        if mine:
            self._paths[handle] = Path(path)
        return handle

    def close(self, handle: int) -> None:
        self._paths.pop(handle, None)
        _real.close(handle)

    def write(self, handle: int, data: Any) -> int:
        path = self._paths.get(handle)
        if path is not None:
            self.trace("write", path.name)
            if self.failure:
                raise _failed(self.failure)
        written: int = _real.write(handle, data)
        return written

    def fsync(self, handle: int) -> None:
        self._sync(handle, "fsync", _real.fsync)

    def fdatasync(self, handle: int) -> None:
        self._sync(handle, "fdatasync", _real.fdatasync)

    def fdopen(self, handle: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if handle in self._paths and mode == "wb":
            return _File(self, handle)
        return _real.fdopen(handle, mode, *arguments, **options)

    def rename(self, source: Any, target: Any) -> None:
        self._changed("rename", target)
        _real.rename(source, target)

    def replace(self, source: Any, target: Any) -> None:
        self._changed("rename", target)
        _real.replace(source, target)

    def unlink(self, path: Any, **options: Any) -> None:
        self._changed("unlink", path)
        _real.unlink(path, **options)

    # ---- what is safe --------------------------------------------------------

    def _has(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(self.root)

    def _changed(self, call: str, path: Any) -> None:
        if self._has(path):
            self.trace(call, Path(path).name)

    def _sync(self, handle: int, call: str, sync: Callable[[int], None]) -> None:
        path = self._paths.get(handle)
        if path is None:
            sync(handle)
            return
        self.trace(call, path.name)
        if self.failure in _BROKEN:
            raise _failed(self.failure)
        if path.is_dir():
            self._keep(path)
        else:
            status = os.fstat(handle)
            self._lengths[status.st_ino] = status.st_size

    def _keep(self, directory: Path) -> None:
        self._names[directory] = {entry.name: entry.inode() for entry in os.scandir(directory)}
        for name, inode in self._names[directory].items():
            kept = self._kept / str(inode)
            if not (directory / name).is_dir() and not kept.exists():
                os.link(directory / name, kept)

    def _copy(self, directory: Path, target: Path, chance: Chance) -> None:
        target.mkdir(parents=True)
        safe = self._names.get(directory, {})
        present = {entry.name: entry.inode() for entry in os.scandir(directory)}
        for name in sorted({*safe, *present}):
            inode = safe.get(name)
            if inode != present.get(name) and chance() > 0.5:
                inode = present.get(name)
            if inode is None:
                continue
            source = directory / name if inode == present.get(name) else self._kept / str(inode)
            if source.is_dir():
                self._copy(source, target / name, chance)
                continue
            content = source.read_bytes()
            surely = min(self._lengths.get(inode, 0), len(content))
            (target / name).write_bytes(content[: surely + round((len(content) - surely) * chance())])


class _File(io.RawIOBase):
    """A file that is written through its disk."""

    def __init__(self, disk: Disk, handle: int) -> None:
        self._disk, self._handle = disk, handle

    def write(self, data: Any) -> int:
        return self._disk.write(self._handle, data)

    def fileno(self) -> int:
        return self._handle

    def close(self) -> None:
        if not self.closed:
            self._disk.close(self._handle)
        super().close()


def _failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))
