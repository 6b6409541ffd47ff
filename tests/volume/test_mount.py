import errno
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from gateway.driver.usb.transport import DirectFile, MountedFiles
from gateway.errors import ConfigurationError
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.layout import INFO_FILE, STORE_FILE_BLOCKS, WINDOW_FILE
from gateway.tse.sectors import SECTOR
from gateway.volume import mount
from gateway.volume.files import volume_files
from gateway.volume.mount import mounted
from tests.needs import FUSE
from tests.simulator.host import Clock, Host

pytestmark = FUSE

CAPACITY = 2 * STORE_FILE_BLOCKS + 1000
STORE_FILE = "TSE_TAR.001"


@pytest.fixture
def tse(tmp_path: Path) -> Iterator[SimulatedTse]:
    make = Make(capacity_blocks=CAPACITY)
    simulated = SimulatedTse.create(tmp_path / "tse", make, monotonic=Clock(), durable=False)
    Host(simulated).set_up()
    Host(simulated).start_day()
    yield simulated
    simulated.close()


@pytest.fixture
def volume(tse: SimulatedTse, tmp_path: Path) -> Iterator[Path]:
    with mounted(tse, tmp_path / "volume") as place:
        yield place


def error_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what the tests look at
        call()
    return caught.value.errno


def read_direct(path: Path) -> bytes:
    """The first sector, as the vendor's library reads it."""
    file = DirectFile(path, os.O_RDONLY)
    try:
        return file.read(0, 1)
    finally:
        file.close()


def write_at(path: Path, offset: int, data: bytes) -> int:
    handle = os.open(path, os.O_WRONLY)
    try:
        return os.pwrite(handle, data, offset)
    finally:
        os.close(handle)


def read_at(path: Path, offset: int, size: int) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.pread(handle, size, offset)
    finally:
        os.close(handle)


@FUSE
def test_after_a_mount_a_connection_that_is_closed_ends_no_process(tse: SimulatedTse, tmp_path: Path) -> None:
    with mounted(tse, tmp_path / "for a moment"):
        pass
    ignored = re.search(r"^SigIgn:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert ignored
    assert int(ignored[1], 16) >> (signal.SIGPIPE - 1) & 1


def test_the_volume_shows_the_files_of_a_tse(volume: Path) -> None:
    sizes = {file.name: file.stat().st_size for file in volume.iterdir()}
    gigabyte = 1 << 30
    assert sizes == {
        INFO_FILE: SECTOR,
        WINDOW_FILE: SECTOR,
        "TSE_TAR.001": gigabyte,
        "TSE_TAR.002": gigabyte,
        "TSE_TAR.003": 1000 * SECTOR,
    }
    room = os.statvfs(volume)
    assert room.f_blocks * room.f_frsize == sum(sizes.values())
    assert room.f_bavail == 0
    assert abs((volume / INFO_FILE).stat().st_mtime - volume.parent.stat().st_mtime) < 3600


@pytest.mark.parametrize(
    ("capacity", "last"),
    [
        (1, ("TSE_TAR.001", 1)),
        (2 * STORE_FILE_BLOCKS, ("TSE_TAR.002", STORE_FILE_BLOCKS)),
        (15_000_000, ("TSE_TAR.008", 319_936)),
    ],
)
def test_the_store_is_cut_into_files_of_a_gigabyte(capacity: int, last: tuple[str, int]) -> None:
    files = volume_files(HangingTse(capacity))
    assert (files[-1].name, files[-1].sectors) == last
    assert sum(file.sectors for file in files[2:]) == capacity


@pytest.mark.parametrize("capacity", [0, 999 * STORE_FILE_BLOCKS + 1])
def test_a_capacity_that_has_no_file_names_is_refused(capacity: int) -> None:
    with pytest.raises(ConfigurationError, match="cannot be shown as files"):
        volume_files(HangingTse(capacity))


def test_a_till_signs_through_the_mount_while_its_keep_alive_reads(tse: SimulatedTse, volume: Path) -> None:
    transport = MountedFiles(volume)
    host = Host(cast("SimulatedTse", transport))  # by shape
    keep_alive = DirectFile(volume / WINDOW_FILE, os.O_RDONLY)
    stop = threading.Event()

    def read_on() -> int:
        count = 0
        while not stop.is_set():
            assert len(keep_alive.read(0, 1)) == SECTOR
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_on)
        numbers = [host.receipt(b"x" * size) for size in (0, 10, 512, 2000)]
        stop.set()
        reads = reading.result()
    keep_alive.close()
    transport.close()
    assert numbers == [1, 2, 3, 4]
    assert reads > 0
    assert host_signatures(tse) == Host(tse).info.created_signatures
    used = Host(tse).info.used_blocks
    assert read_at(volume / STORE_FILE, 0, used * SECTOR) == tse.read_store(0, used)


def host_signatures(tse: SimulatedTse) -> int:
    """Log messages in the store."""
    archive = tse.read_store(0, Host(tse).info.used_blocks + 2)
    listing = subprocess.run(["tar", "-t"], input=archive, capture_output=True, check=True).stdout.decode()
    return sum(name.endswith(".log") for name in listing.splitlines())


def test_the_export_can_be_read_as_a_file(tse: SimulatedTse, volume: Path) -> None:
    Host(tse).receipt()
    with tarfile.open(volume / STORE_FILE) as archive:
        names = archive.getnames()
    assert names[0] == "info.csv"
    assert sum(name.endswith(".log") for name in names) == Host(tse).info.created_signatures


def test_sectors_read_direct_are_those_of_the_tse(tse: SimulatedTse, volume: Path) -> None:
    assert read_direct(volume / INFO_FILE) == tse.read_info()
    assert read_direct(volume / WINDOW_FILE) == tse.read_window()
    Host(tse).receipt()
    assert read_direct(volume / INFO_FILE) == tse.read_info()  # not a cached one
    assert read_direct(volume / WINDOW_FILE) == tse.read_window()


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (1, 511), (511, 2), (513, 5000), (1000, 200_000), (0, 300_000)])
def test_a_read_may_begin_and_end_anywhere(tse: SimulatedTse, volume: Path, offset: int, size: int) -> None:
    whole = tse.read_store(0, 700)
    assert read_at(volume / STORE_FILE, offset, size) == whole[offset : offset + size]


@pytest.mark.parametrize(("name", "size"), [(INFO_FILE, SECTOR), ("TSE_TAR.003", 1000 * SECTOR)])
def test_a_read_ends_at_the_end_of_the_file(volume: Path, name: str, size: int) -> None:
    assert len(read_at(volume / name, size - 100, 4096)) == 100
    assert read_at(volume / name, size, 4096) == b""
    assert read_at(volume / name, size + 10_000, 4096) == b""


@pytest.mark.parametrize(
    ("name", "offset", "size"),
    [
        (WINDOW_FILE, 0, 511),
        (WINDOW_FILE, 1, 511),
        (WINDOW_FILE, 0, 1024),
        (WINDOW_FILE, 512, 512),
        (STORE_FILE, 100, 512),
        (STORE_FILE, 0, 700),
        ("TSE_TAR.003", 999 * SECTOR, 1024),
    ],
)
def test_a_write_of_less_than_sectors_or_beyond_the_end_is_refused(
    tse: SimulatedTse, volume: Path, name: str, offset: int, size: int
) -> None:
    before = tse.read_window()
    command = b"\0\2\x43\0".ljust(size, b"\0")
    assert error_of(lambda: write_at(volume / name, offset, command)) == errno.EINVAL
    assert tse.read_window() == before


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_DIRECT | os.O_SYNC])
def test_the_info_sector_cannot_be_opened_for_writing(volume: Path, flags: int) -> None:
    assert error_of(lambda: os.open(volume / INFO_FILE, flags)) == errno.EACCES


CHANGES: dict[str, Callable[[Path], object]] = {
    "create": lambda at: (at / "new").write_bytes(b""),
    "mkdir": lambda at: (at / "new").mkdir(),
    "mkfifo": lambda at: os.mkfifo(at / "new"),
    "symlink": lambda at: (at / "new").symlink_to("old"),
    "link": lambda at: (at / "new").hardlink_to(at / STORE_FILE),
    "unlink": lambda at: (at / STORE_FILE).unlink(),
    "rename": lambda at: (at / STORE_FILE).rename(at / "TSE_TAR.009"),
    "truncate": lambda at: os.truncate(at / STORE_FILE, 0),
    "open truncating": lambda at: os.open(at / WINDOW_FILE, os.O_WRONLY | os.O_TRUNC),
    "chmod": lambda at: (at / STORE_FILE).chmod(0),
    "chown": lambda at: os.chown(at / STORE_FILE, 1, 1),
    "utime": lambda at: os.utime(at / STORE_FILE),
    "setxattr": lambda at: os.setxattr(at / STORE_FILE, "user.a", b"1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_about_the_files_can_be_changed(volume: Path, change: Callable[[Path], object]) -> None:
    names = sorted(file.name for file in volume.iterdir())
    assert error_of(lambda: change(volume)) == errno.EROFS
    assert sorted(file.name for file in volume.iterdir()) == names


def test_there_is_no_other_file(volume: Path) -> None:
    assert error_of((volume / "TSE_TAR.004").stat) == errno.ENOENT


@pytest.mark.parametrize(("fault", "number"), [("unplugged", errno.ENODEV), ("io_error", errno.EIO)])
def test_what_the_tse_raises_reaches_the_caller(tse: SimulatedTse, volume: Path, fault: str, number: int) -> None:
    tse.faults.set(fault)
    for name in (INFO_FILE, WINDOW_FILE, STORE_FILE):
        assert error_of(partial(read_direct, volume / name)) == number
    assert error_of(lambda: write_at(volume / WINDOW_FILE, 0, bytes(SECTOR))) == number
    assert error_of(lambda: write_at(volume / STORE_FILE, 0, bytes(SECTOR))) == number
    assert len(list(volume.iterdir())) == 5
    tse.faults.clear()
    assert read_direct(volume / INFO_FILE) == tse.read_info()


def test_the_directory_answers_while_the_tse_hangs(tse: SimulatedTse, volume: Path) -> None:
    tse.faults.set("hung")
    readers = mount._CALLS_AT_ONCE + 1
    with ThreadPoolExecutor(readers) as pool:
        try:
            reads = [pool.submit(read_direct, volume / WINDOW_FILE) for _ in range(readers)]
            done, hanging = wait(reads, timeout=30, return_when=FIRST_COMPLETED)
            assert [cast("OSError", read.exception()).errno for read in done] == [errno.EBUSY]
            listing = subprocess.run(["ls", "-l", str(volume)], capture_output=True, check=True, timeout=20)
            assert INFO_FILE.encode() in listing.stdout
            assert os.statvfs(volume).f_files == 5
        finally:
            tse.faults.clear()
        assert {read.result(timeout=30) for read in hanging} == {tse.read_window()}


def test_many_readers_at_once_all_get_their_sectors(tse: SimulatedTse, volume: Path) -> None:
    with ThreadPoolExecutor(24) as pool:
        sectors = set(pool.map(read_direct, [volume / INFO_FILE] * 500))
    assert sectors == {tse.read_info()}


def test_the_working_directory_stays_what_it_was(
    tse: SimulatedTse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with mounted(tse, Path("volume")):
        assert Path.cwd() == tmp_path
        assert Path("volume", INFO_FILE).exists()
    assert Path.cwd() == tmp_path


def test_afterwards_nothing_is_mounted_even_if_a_file_was_left_open(tse: SimulatedTse, tmp_path: Path) -> None:
    with mounted(tse, tmp_path / "volume") as place:
        handle = os.open(place / INFO_FILE, os.O_RDONLY)
    assert not place.is_mount()
    assert list(place.iterdir()) == []
    os.close(handle)


class HangingTse:
    """A TSE whose window hangs from the moment that it is read."""

    serial = bytes(32)

    def __init__(self, capacity_blocks: int = 1) -> None:
        self.capacity_blocks = capacity_blocks
        self.asked, self.released = threading.Event(), threading.Event()

    def read_info(self) -> bytes:
        return bytes(SECTOR)

    def read_window(self) -> bytes:
        self.asked.set()
        self.released.wait(60)
        return bytes(SECTOR)

    def write_window(self, sector: bytes) -> None:
        raise OSError(errno.EIO, "not for writing")

    def read_store(self, block: int, count: int) -> bytes:
        return bytes(count * SECTOR)

    def write_store(self, block: int, data: bytes) -> None:
        raise OSError(errno.EIO, "not for writing")


def test_a_call_that_hangs_does_not_keep_the_volume_mounted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mount, "_STOP_TIMEOUT", 0.1)
    tse = HangingTse()
    with ThreadPoolExecutor(1) as pool:
        try:
            with mounted(tse, tmp_path / "volume") as place:
                reading = pool.submit(read_direct, place / WINDOW_FILE)
                assert tse.asked.wait(20)
            assert not place.is_mount()
            assert isinstance(reading.exception(timeout=20), OSError)
        finally:
            tse.released.set()
    assert "still hangs" in caplog.text


SERVE = """
import logging, sys
from pathlib import Path
from gateway.simulator.device import SimulatedTse
from gateway.volume.mount import mount
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
mount(SimulatedTse.open(Path(sys.argv[1]), durable=False), Path(sys.argv[2]))
print("ended")
"""


@pytest.fixture
def serving(tse: SimulatedTse, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that shows the TSE of the fixture."""
    tse.close()
    command = [sys.executable, "-c", SERVE, str(tmp_path / "tse"), str(tmp_path / "volume")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert any("is mounted at" in line for line in process.stderr)
            yield process, tmp_path / "volume"
        finally:
            process.kill()
            mount._unmount(tmp_path / "volume")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_mount_in_good_order(serving: tuple[subprocess.Popen[str], Path], number: int) -> None:
    process, place = serving
    assert read_direct(place / INFO_FILE).startswith(b"GMISRLS")
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "ended\n")
    assert not place.is_mount()


def test_unmounting_ends_the_mount(serving: tuple[subprocess.Popen[str], Path]) -> None:
    process, place = serving
    subprocess.run(["fusermount3", "-u", str(place)], check=True)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "ended\n")


def test_a_mount_left_by_a_killed_process_is_cleared_away(serving: tuple[subprocess.Popen[str], Path]) -> None:
    process, place = serving
    process.kill()
    process.wait(timeout=20)
    assert error_of(place.stat) == errno.ENOTCONN
    with closing(SimulatedTse.open(place.parent / "tse", durable=False)) as tse, mounted(tse, place):
        assert read_direct(place / INFO_FILE).startswith(b"GMISRLS")


def test_a_directory_in_use_is_refused(tse: SimulatedTse, volume: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for place, reason in (
        (volume, "something is mounted"),
        (tmp_path / "full", "not empty"),
        (tmp_path / "full" / "file", "no directory"),
        (tmp_path / "full" / "file" / "below", "Not a directory"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            mount.mount(tse, place)
    assert read_direct(volume / INFO_FILE) == tse.read_info()


def test_a_name_with_blanks_and_umlauts_can_be_mounted(tse: SimulatedTse, tmp_path: Path) -> None:
    with mounted(tse, tmp_path / "Kasse Süd" / "TSE 1") as place:
        assert read_direct(place / INFO_FILE) == tse.read_info()
    assert not place.is_mount()


def test_a_directory_behind_a_symbolic_link_can_be_mounted(tse: SimulatedTse, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with mounted(tse, tmp_path / "link"):
        assert read_direct(tmp_path / "real" / INFO_FILE) == tse.read_info()
    assert not (tmp_path / "real").is_mount()


def test_without_the_extra_the_message_says_what_to_install(
    tse: SimulatedTse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mfusepy", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tse-gateway\[mount\]'.*libfuse"):
        mount.mount(tse, tmp_path / "volume")


def test_without_libfuse_the_message_says_what_to_install(
    tse: SimulatedTse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mfusepy", raising=False)
    monkeypatch.setenv("FUSE_LIBRARY_PATH", str(tmp_path / "libfuse3.so"))
    with pytest.raises(ConfigurationError, match="libfuse"), mounted(tse, tmp_path / "volume"):
        pass


def test_what_libfuse_refuses_is_a_configuration_error(
    tse: SimulatedTse, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "removed meanwhile"
    with pytest.raises(ConfigurationError, match="cannot mount at"):
        mount._serve(mount.FileSystem(tse, missing), missing)
