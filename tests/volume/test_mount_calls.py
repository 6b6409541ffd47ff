"""The calls that libfuse makes, without libfuse."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.sectors import SECTOR
from gateway.volume import mount
from gateway.volume.image import TseImage
from gateway.volume.mount import FileSystem
from tests.simulator.host import Clock
from tests.texts import said

INFO, WINDOW, STORE = "/TSE_INFO.DAT", "/TSE_COMM.DAT", "/TSE_TAR.001"
CAPACITY = 300


@dataclass
class Info:
    """Of libfuse's struct."""

    flags: int
    direct_io: int = 0


@pytest.fixture(scope="module")
def tse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedTse]:
    directory = tmp_path_factory.mktemp("tse")
    make = Make(capacity_blocks=CAPACITY)
    with closing(SimulatedTse.create(directory, make, monotonic=Clock(), durable=False)) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def files(tse: SimulatedTse) -> FileSystem:
    return FileSystem(tse, Path())


def error_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what the tests look at
        call()
    return caught.value.errno


def test_the_directory_lists_the_files(files: FileSystem) -> None:
    assert [f"/{name}" for name in files.readdir("/", 0)] == ["/.", "/..", INFO, WINDOW, STORE]
    assert stat.S_ISDIR(files.getattr("/")["st_mode"])


@pytest.mark.parametrize(
    ("path", "size", "mode"), [(INFO, SECTOR, 0o444), (WINDOW, SECTOR, 0o666), (STORE, CAPACITY * SECTOR, 0o666)]
)
def test_a_file_tells_its_size_and_rights(files: FileSystem, path: str, size: int, mode: int) -> None:
    told = files.getattr(path, Info(os.O_RDONLY))
    assert told["st_size"] == size
    assert told["st_blocks"] * SECTOR == size
    assert told["st_mode"] == stat.S_IFREG | mode
    assert told["st_mtime"] == told["st_ctime"] > 1_700_000_000 * 10**9


def test_the_volume_is_full(files: FileSystem) -> None:
    told = files.statfs("/")
    assert (told["f_blocks"] * told["f_frsize"], told["f_files"]) == ((CAPACITY + 2) * SECTOR, 3)
    assert not {"f_bfree", "f_bavail", "f_ffree"} & told.keys()  # libfuse hands in zeros


@pytest.mark.parametrize("path", [INFO, WINDOW, STORE])
def test_an_open_file_bypasses_the_page_cache(files: FileSystem, path: str) -> None:
    info = Info(os.O_RDONLY | os.O_DIRECT)
    assert files.open(path, info) == 0
    assert info.direct_io == 1


@pytest.mark.parametrize(
    ("path", "flags", "number"),
    [
        (INFO, os.O_WRONLY, errno.EACCES),
        (INFO, os.O_RDWR | os.O_DIRECT, errno.EACCES),
        (WINDOW, os.O_RDWR | os.O_TRUNC, errno.EROFS),
        ("/other", os.O_RDONLY, errno.ENOENT),
    ],
)
def test_what_cannot_be_opened(files: FileSystem, path: str, flags: int, number: int) -> None:
    assert error_of(partial(files.open, path, Info(flags))) == number


@given(offset=st.integers(0, (CAPACITY + 4) * SECTOR), size=st.integers(0, 5000))
def test_a_read_is_a_slice_of_the_file(tse: SimulatedTse, files: FileSystem, offset: int, size: int) -> None:
    whole = tse.read_store(0, CAPACITY)
    assert files.read(STORE, size, offset, None) == whole[offset : offset + size]


def test_the_info_sector_is_never_written(files: FileSystem) -> None:
    assert error_of(partial(files.write, INFO, bytes(SECTOR), 0, None)) == errno.EACCES


def test_a_write_of_whole_sectors_reaches_the_tse(tse: SimulatedTse, files: FileSystem) -> None:
    before = tse.read_window()
    assert files.write(WINDOW, b"\0\2\x43\0".ljust(SECTOR, b"\0"), 0, None) == SECTOR
    assert tse.read_window() != before
    assert files.read(WINDOW, SECTOR, 0, None) == tse.read_window()
    assert files.write(STORE, bytes(3 * SECTOR), (CAPACITY - 3) * SECTOR, None) == 3 * SECTOR


@given(offset=st.integers(0, 3 * SECTOR), size=st.integers(0, 3 * SECTOR))
def test_any_other_write_to_the_window_is_refused(tse: SimulatedTse, files: FileSystem, offset: int, size: int) -> None:
    before = tse.read_window()
    if (offset, size) != (0, SECTOR) and size:
        assert error_of(partial(files.write, WINDOW, bytes(size), offset, None)) == errno.EINVAL
    assert tse.read_window() == before


@pytest.mark.parametrize("name", ["create", "mkdir", "unlink", "rename", "truncate", "utimens", "setxattr"])
def test_nothing_can_be_changed(files: FileSystem, name: str) -> None:
    assert error_of(partial(getattr(files, name), STORE, 0)) == errno.EROFS


def test_as_an_image_the_root_is_a_file_with_all_sectors(tse: SimulatedTse) -> None:
    files, disk = FileSystem(tse, Path(), image=True), TseImage(tse)
    told = files.getattr("/")
    assert (told["st_mode"], told["st_size"]) == (stat.S_IFREG | 0o666, disk.size)
    info = Info(os.O_RDWR | os.O_DIRECT)
    assert files.open("/", info) == 0
    assert info.direct_io == 1
    assert files.read("/", 2 * SECTOR, disk.offsets.info * SECTOR, None).startswith(tse.read_info())
    assert error_of(partial(files.write, "/", bytes(SECTOR), disk.offsets.info * SECTOR, None)) == errno.EROFS
    assert error_of(partial(files.getattr, INFO)) == errno.ENOENT


@pytest.mark.parametrize("error", [ProtocolError(said("7 bytes")), ValueError("7 bytes")])
def test_an_error_that_is_no_oserror_is_an_io_error(files: FileSystem, error: Exception) -> None:
    def call() -> None:
        with files._turn():
            raise error

    assert error_of(call) == errno.EIO


def test_one_call_too_many_is_told_that_the_tse_is_busy(files: FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount, "_CALL_TURN", 0.01)
    turns = [files._turns.acquire(blocking=False) for _ in range(mount._CALLS_AT_ONCE)]
    assert all(turns)
    assert error_of(partial(files.read, INFO, SECTOR, 0, None)) == errno.EBUSY
    for _ in turns:
        files._turns.release()
    assert len(files.read(INFO, SECTOR, 0, None)) == SECTOR
