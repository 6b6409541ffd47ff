"""A TSE as a mounted volume or as a disk image (FUSE), for software that wants files or a disk.

The files bypass the page cache and keep their offsets, so every access of a host is one
call to the TSE, as on a real TSE: the vendor's library opens them O_DIRECT | O_SYNC and
reads TSE_COMM.DAT from a second handle while a command is under way.
"""

import contextlib
import ctypes
import errno
import logging
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from gateway.errors import ConfigurationError, GatewayError
from gateway.i18n.text import Text, reason_of
from gateway.tse.sectors import SECTOR
from gateway.volume.files import TseBlocks, volume_files
from gateway.volume.image import TseImage

log = logging.getLogger(__name__)

# A hung TSE must not take all threads of libfuse, or `ls` would hang too.
_THREADS = 16  # libfuse 3.12 and later; before, as many as needed
_CALLS_AT_ONCE = 8
_CALL_TURN = 1.0  # seconds that one more call waits before it gets EBUSY
_STOP_TIMEOUT = 10.0
_ROOT = "/"
_SIMULATOR = "tse-simulator"


def mount(tse: TseBlocks, path: Path, *, image: bool = False) -> None:
    """Show `tse` at `path` until it is unmounted, or SIGINT, SIGTERM or SIGHUP.

    `path` is an empty directory where its files appear, or with `image` an empty file that becomes its disk; it is made
    if it is missing.

    Raises:
        ConfigurationError: FUSE is not installed or not allowed, or `path` cannot be used.
    """
    place = _prepared(path, image=image)
    _serve(FileSystem(tse, place, image=image), place)


@contextlib.contextmanager
def mounted(
    tse: TseBlocks,
    path: Path,
    *,
    image: bool = False,
    source: str = _SIMULATOR,
    ended: Callable[[], object] = lambda: None,
) -> Iterator[Path]:
    """Do as `mount`, but in a thread and for the time of the `with` block; give the path.

    `source` stands in the kernel's list of mounts; `ended` is called in that thread when nothing is mounted any more.
    """
    place = _prepared(path, image=image)
    files = FileSystem(tse, place, image=image)
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            _serve(files, place, source)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread below
            trouble.append(error)
        finally:
            files.ready.set()
            ended()

    # A daemon: libfuse waits for calls that hang in the TSE, the interpreter should not.
    thread = threading.Thread(target=run, name="tse-mount", daemon=True)
    thread.start()
    try:
        files.ready.wait()
        if trouble:
            raise trouble[0]
        yield place
    finally:
        _unmount(place)
        thread.join(_STOP_TIMEOUT)
        if thread.is_alive():
            log.warning("A call to the TSE behind %s still hangs", place)


class SectorFile(Protocol):
    """A file of whole sectors; every call may raise `OSError`."""

    @property
    def size(self) -> int: ...
    @property
    def sectors(self) -> int: ...
    @property
    def read_only(self) -> bool: ...
    def read(self, sector: int, count: int) -> bytes: ...
    def write(self, sector: int, data: bytes) -> None: ...


class _FileInfo(Protocol):
    """The fields of libfuse's struct fuse_file_info that are used here."""

    flags: int
    direct_io: int


def _refuse(*_: object) -> int:
    raise OSError(errno.EROFS, "the files of a TSE are fixed")


class FileSystem:
    """The calls that libfuse makes, named as mfusepy wants them; from several threads at once.

    It is one directory with files, or with `image` no directory but one file.
    """

    use_ns = True

    def __init__(self, tse: TseBlocks, place: Path, *, image: bool = False) -> None:
        self._place = place
        self.ready = threading.Event()
        self._tse = tse
        self._files: Mapping[str, SectorFile] = (
            {_ROOT: TseImage(tse)} if image else {_ROOT + file.name: file for file in volume_files(tse)}
        )
        self._born = time.time_ns()
        self._folder = Path.cwd()
        self._turns = threading.BoundedSemaphore(_CALLS_AT_ONCE)

    def init(self, _path: str) -> None:
        os.chdir(self._folder)  # libfuse goes to / even in the foreground
        log.info("TSE %s is mounted at %s", self._tse.serial.hex(), self._place)
        self.ready.set()

    def readdir(self, _path: str, _handle: int) -> list[str]:
        return [".", "..", *(path.removeprefix(_ROOT) for path in self._files)]

    def getattr(self, path: str, _info: object = None) -> dict[str, int]:
        if path == _ROOT and path not in self._files:
            kind = {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        else:
            file = self._file(path)
            mode = 0o444 if file.read_only else 0o666
            kind = {"st_mode": stat.S_IFREG | mode, "st_nlink": 1, "st_size": file.size}
            kind |= {"st_blocks": file.sectors, "st_blksize": SECTOR}
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), self._born)
        return kind | times | {"st_uid": os.geteuid(), "st_gid": os.getegid()}

    def statfs(self, _path: str) -> dict[str, int]:
        sizes = {"f_bsize": SECTOR, "f_frsize": SECTOR, "f_blocks": sum(f.sectors for f in self._files.values())}
        return sizes | {"f_files": len(self._files), "f_namemax": 12}

    def open(self, path: str, info: _FileInfo) -> int:
        file = self._file(path)
        if info.flags & os.O_TRUNC:
            _refuse()
        if file.read_only and info.flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EACCES, "the info sector is read-only")
        info.direct_io = 1
        return 0

    def read(self, path: str, size: int, offset: int, _info: object) -> bytes:
        """Return any bytes of the file, cut at its end; the TSE is asked for the sectors around them."""
        file = self._file(path)
        end = min(offset + size, file.size)
        if offset >= end:
            return b""
        first, after = offset // SECTOR, -(-end // SECTOR)
        with self._turn():
            data = file.read(first, after - first)
        return data[offset - first * SECTOR : end - first * SECTOR]

    def write(self, path: str, data: bytes, offset: int, _info: object) -> int:
        """Write whole sectors within the file; anything else is EINVAL, since half a sector would be a made-up one."""
        file = self._file(path)
        if offset % SECTOR or len(data) % SECTOR or offset + len(data) > file.size:
            raise OSError(errno.EINVAL, "a TSE is written in whole sectors within its files")
        with self._turn():
            file.write(offset // SECTOR, data)
        return len(data)

    create = mknod = mkdir = symlink = link = staticmethod(_refuse)
    unlink = rmdir = rename = truncate = staticmethod(_refuse)
    chmod = chown = utimens = setxattr = removexattr = staticmethod(_refuse)

    def _file(self, path: str) -> SectorFile:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file on a TSE") from None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for a turn among the calls that may hang in the TSE; what is no `OSError` becomes EIO."""
        if not self._turns.acquire(timeout=_CALL_TURN):
            raise OSError(errno.EBUSY, "the TSE hangs")
        try:
            yield
        except (GatewayError, ValueError) as error:
            raise OSError(errno.EIO, str(error)) from error
        finally:
            self._turns.release()


def _serve(files: FileSystem, place: Path, source: str = _SIMULATOR) -> None:
    try:
        import mfusepy
    except (ImportError, OSError) as error:  # OSError: the module is there, libfuse is not
        raise ConfigurationError(
            Text(
                "a mounted TSE needs FUSE: pip install 'tse-gateway[mount]' and the package fuse3 (libfuse): {error}",
                "eine eingehängte TSE braucht FUSE: pip install 'tse-gateway[mount]' und das Paket fuse3 (libfuse): "
                "{error}",
            ),
            error=error,
        ) from error
    options: dict[str, bool | int] = {"foreground": True}
    if os.geteuid() == 0:
        options["allow_other"] = True  # users need a line in /etc/fuse.conf for this
    if (mfusepy.fuse_version_major, mfusepy.fuse_version_minor) >= (3, 12):
        options["max_threads"] = _THREADS
    try:
        mfusepy.FUSE(files, str(place), raw_fi=True, fsname=source, **options)
    except RuntimeError as error:
        if files.ready.is_set():  # a signal or an abort ended it
            log.debug("The mount at %s ended with code %s", place, error)
            return
        raise ConfigurationError(
            Text(
                "cannot mount at {place} (libfuse code {error}): is there a /dev/fuse, and may this user open it?",
                "an {place} lässt sich nichts einhängen (libfuse-Code {error}): gibt es /dev/fuse, und darf dieser "
                "Benutzer es öffnen?",
            ),
            place=place,
            error=error,
        ) from error
    finally:
        _ignore_broken_pipes()


def _ignore_broken_pipes() -> None:
    """Undo what libfuse leaves behind: by SIGPIPE the next write to a closed connection would end this process.

    It takes the handler away that Python has set (fuse_remove_signal_handlers). Python's own function may be called in
    the main thread only.
    """
    handle = ctypes.CDLL(None).signal
    handle.argtypes, handle.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    handle(signal.SIGPIPE, int(signal.SIG_IGN))


def _prepared(path: Path, *, image: bool) -> Path:
    """Return the empty directory or file to mount at, made if missing; a dead mount is cleared away."""
    place = path.resolve()  # as the kernel lists it
    try:
        if _is_missing(place):
            _make(place, image=image)
    except OSError as error:
        if error.errno not in {errno.ENOTCONN, errno.ECONNABORTED}:
            raise ConfigurationError(
                Text("cannot mount at {place}: {reason}", "an {place} lässt sich nichts einhängen: {reason}"),
                place=place,
                reason=reason_of(error),
            ) from error
        _unmount(place)
    if not (place.is_file() if image else place.is_dir()):
        raise ConfigurationError(
            Text(
                "cannot mount at {place}: no {kind}", "an {place} lässt sich nichts einhängen: es gibt dort kein {kind}"
            ),
            place=place,
            kind="file" if image else "directory",
        )
    if _is_mounted(place):
        raise ConfigurationError(
            Text(
                "cannot mount at {place}: something is mounted there",
                "an {place} lässt sich nichts einhängen: dort ist schon etwas eingehängt",
            ),
            place=place,
        )
    if place.stat().st_size if image else any(place.iterdir()):
        raise ConfigurationError(
            Text(
                "cannot mount at {place}: it is not empty",
                "an {place} lässt sich nichts einhängen: das Verzeichnis ist nicht leer",
            ),
            place=place,
        )
    return place


def _is_missing(place: Path) -> bool:
    try:
        place.stat()
    except FileNotFoundError:
        return True
    return False


def _make(place: Path, *, image: bool) -> None:
    if image:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    else:
        place.mkdir(parents=True)


def _unmount(place: Path) -> None:
    """Unmount, by force if files are still open or calls hang; nothing happens where nothing is mounted."""
    tool = shutil.which("fusermount3") or "fusermount"
    forced = ["umount", "-f", "-l"] if os.geteuid() == 0 else [tool, "-u", "-z"]
    for command in ([tool, "-u"], forced):
        if _is_mounted(place):
            with contextlib.suppress(FileNotFoundError):  # the program is not installed
                subprocess.run([*command, str(place)], capture_output=True, check=False)  # noqa: S603 - fixed programs


def _is_mounted(place: Path) -> bool:
    """Tell by the kernel's list, since a dead mount answers no stat."""
    escaped = os.fsencode(place).replace(b"\\", rb"\134").replace(b" ", rb"\040")
    return any(line.split()[4] == escaped for line in Path("/proc/self/mountinfo").read_bytes().splitlines())
