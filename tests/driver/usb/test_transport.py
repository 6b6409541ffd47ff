"""Real files with O_DIRECT: a volume's files and a disk image, prepared byte by byte."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.driver.usb.transport import DirectFile, MountedFiles, RawDisk, open_transport
from gateway.errors import ProtocolError
from gateway.tse import layout
from gateway.tse.info import TseInfo
from gateway.tse.layout import Offsets
from gateway.tse.sectors import SECTOR

INFO = TseInfo(bytes(32), b"\4" * 97).encode()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / layout.INFO_FILE).write_bytes(INFO)
    (tmp_path / layout.WINDOW_FILE).write_bytes(b"w" * SECTOR)
    for number in (1, 2):
        with (tmp_path / layout.store_file(number)).open("wb") as file:
            file.truncate(layout.STORE_FILE_BLOCKS * SECTOR)
    return tmp_path


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(400 * SECTOR)
        file.seek(layout.OFFSET_TABLE_LBA * SECTOR)
        file.write(Offsets(20, 21, 30).encode())
        file.seek(20 * SECTOR)
        file.write(INFO + b"w" * SECTOR)
    return path


def exercise(transport: MountedFiles | RawDisk) -> None:
    assert transport.read_info() == INFO
    assert transport.read_window() == b"w" * SECTOR
    transport.write_window(b"c" * SECTOR)
    assert transport.read_window() == b"c" * SECTOR
    transport.write_store(5, b"a" * SECTOR + b"b" * SECTOR)
    assert transport.read_store(4, 4) == bytes(SECTOR) + b"a" * SECTOR + b"b" * SECTOR + bytes(SECTOR)
    transport.close()


def test_a_mounted_volume(volume: Path) -> None:
    exercise(MountedFiles(volume))
    assert (volume / layout.store_file(1)).stat().st_size == layout.STORE_FILE_BLOCKS * SECTOR


def test_a_raw_disk(disk: Path) -> None:
    exercise(RawDisk(disk))
    assert disk.stat().st_size == 400 * SECTOR


def test_the_kind_follows_from_the_path(volume: Path, disk: Path) -> None:
    for path, kind in ((volume, MountedFiles), (disk, RawDisk)):
        transport = open_transport(path)
        assert isinstance(transport, kind)
        transport.close()


def test_the_store_is_one_row_of_blocks_over_its_files(volume: Path) -> None:
    transport = MountedFiles(volume)
    border = layout.STORE_FILE_BLOCKS
    data = b"".join(bytes([at]) * SECTOR for at in range(4))
    transport.write_store(border - 2, data)
    assert transport.read_store(border - 2, 4) == data
    assert transport.read_store(border, 1) == bytes([2]) * SECTOR
    with pytest.raises(OSError, match="behind the store"):
        transport.read_store(2 * border - 1, 2)
    transport.close()


def test_large_transfers_go_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(5 << 20))
    file = DirectFile(path, os.O_RDWR)
    data = os.urandom((3 << 20) + SECTOR)
    file.write(7, data)
    assert file.read(7, len(data) // SECTOR) == data
    file.close()


def test_reading_behind_the_end_is_an_error(disk: Path) -> None:
    transport = RawDisk(disk)
    with pytest.raises(OSError, match="short read") as short:
        transport.read_store(369, 2)
    assert short.value.errno == errno.EIO
    transport.close()


def test_half_sectors_are_refused(disk: Path) -> None:
    transport = RawDisk(disk)
    with pytest.raises(ValueError, match="no whole sectors"):
        transport.write_store(0, b"half")
    transport.close()


@pytest.mark.parametrize("missing", [layout.INFO_FILE, layout.WINDOW_FILE, layout.store_file(1)])
def test_a_volume_without_its_files_is_no_tse(volume: Path, missing: str) -> None:
    (volume / missing).unlink()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        MountedFiles(volume)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("table", [bytes(SECTOR), Offsets(20, 21, 0).encode(), Offsets(40, 21, 30).encode()])
def test_a_foreign_disk_is_not_written_to(disk: Path, table: bytes) -> None:
    content = bytearray(disk.read_bytes())
    content[layout.OFFSET_TABLE_LBA * SECTOR : (layout.OFFSET_TABLE_LBA + 1) * SECTOR] = table
    disk.write_bytes(content)
    with pytest.raises(ProtocolError):
        RawDisk(disk)
    assert disk.read_bytes() == content


def test_one_tse_has_one_owner(volume: Path) -> None:
    first = MountedFiles(volume)
    second = (
        "import sys; from pathlib import Path; from gateway.driver.usb.transport import MountedFiles\n"
        "try: MountedFiles(Path(sys.argv[1]))\n"
        "except OSError as error: print(error.errno)"
    )
    done = subprocess.run([sys.executable, "-c", second, str(volume)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == errno.EBUSY
    first.close()
