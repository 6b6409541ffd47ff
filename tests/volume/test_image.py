import errno
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.driver.usb.transport import MountedFiles, RawDisk
from gateway.errors import ConfigurationError
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.layout import INFO_FILE, OFFSET_TABLE_LBA, STORE_FILE_BLOCKS, WINDOW_FILE, Offsets
from gateway.tse.sectors import SECTOR
from gateway.volume.fat32 import Fat32, FatFile
from gateway.volume.image import TseImage
from gateway.volume.mount import mount, mounted
from tests.needs import FUSE, LOOP
from tests.simulator.host import Clock, Host

SMALL = 300  # blocks: padded up to FAT32
MIDDLE = 70_001  # FAT32 by itself with the smallest clusters
LARGE = 15_000_000
TOOLS = {
    "fsck.vfat": "dosfstools",
    "mdir": "mtools",
    "mcopy": "mtools",
    "mtype": "mtools",
    "mlabel": "mtools",
    "losetup": "mount",
}


def run(tool: str, *arguments: str | Path) -> str:
    path = shutil.which(tool, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if path is None:
        pytest.skip(f"needs {tool} of the package {TOOLS[tool]}")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Sectors:
    """Blocks that know their number, and what was written to them."""

    capacity_blocks: int
    serial: bytes = bytes(range(32))
    window: bytes = b"window".ljust(SECTOR, b".")
    written: dict[int, bytes] = field(default_factory=dict)

    def read_info(self) -> bytes:
        return b"GMISRLS".ljust(SECTOR, b".")

    def read_window(self) -> bytes:
        return self.window

    def write_window(self, sector: bytes) -> None:
        assert len(sector) == SECTOR
        self.window = sector

    def read_store(self, block: int, count: int) -> bytes:
        assert 0 <= block <= block + count <= self.capacity_blocks
        return b"".join(self.written.get(n, n.to_bytes(4, "big") * 128) for n in range(block, block + count))

    def write_store(self, block: int, data: bytes) -> None:
        assert 0 <= block <= block + len(data) // SECTOR <= self.capacity_blocks
        for at in range(0, len(data), SECTOR):
            self.written[block + at // SECTOR] = data[at : at + SECTOR]


@pytest.fixture(params=[SMALL, MIDDLE, LARGE])
def tse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SimulatedTse]:
    make = Make(capacity_blocks=request.param)
    with closing(SimulatedTse.create(tmp_path / "tse", make, monotonic=Clock(), durable=False)) as simulated:
        Host(simulated).set_up()
        Host(simulated).start_day()
        yield simulated


def dump(image: TseImage, path: Path, store_blocks: int) -> Path:
    """A sparse copy of the image: everything before the store, and its first blocks."""
    with path.open("wb") as file:
        file.truncate(image.size)
        file.write(image.read(0, image.offsets.store + store_blocks))
    return path


# --- files, by foreign tools ---


def test_foreign_tools_find_a_sound_volume_with_the_files_of_the_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    disk = dump(TseImage(tse), tmp_path / "disk", Host(tse).info.used_blocks)
    checked = run("fsck.vfat", "-n", disk)
    assert "Dirty" not in checked
    assert "Volume label is SWISSBIT" in run("mlabel", "-i", disk, "-s", "::")
    files = [name.removeprefix("::/") for name in run("mdir", "-b", "-i", disk, "::").split()]
    store = [f"TSE_TAR.{number:03d}" for number in range(1, 2 + tse.capacity_blocks // STORE_FILE_BLOCKS)]
    assert files == [INFO_FILE, WINDOW_FILE, *store]
    assert "0 bytes free" in run("mdir", "-i", disk, "::")
    for name, content in ((INFO_FILE, tse.read_info()), (WINDOW_FILE, tse.read_window())):
        run("mcopy", "-i", disk, f"::{name}", tmp_path / name)
        assert (tmp_path / name).read_bytes() == content


def test_the_store_copied_by_foreign_tools_is_the_store_of_the_tse(tmp_path: Path) -> None:
    tse = Sectors(MIDDLE)
    disk = dump(TseImage(tse), tmp_path / "disk", MIDDLE)
    run("mcopy", "-i", disk, "::TSE_TAR.001", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == tse.read_store(0, MIDDLE)


@pytest.mark.parametrize("blocks", [1, 65_537, 65_538, 131_071, 524_289, STORE_FILE_BLOCKS, STORE_FILE_BLOCKS + 1])
def test_the_volume_is_sound_for_any_capacity(tmp_path: Path, blocks: int) -> None:
    disk = dump(TseImage(Sectors(blocks)), tmp_path / "disk", 0)
    assert f"{3 + -(-blocks // STORE_FILE_BLOCKS)} files" in run("fsck.vfat", "-n", disk)


# --- raw access ---


def test_the_offset_table_leads_to_the_regions(tse: SimulatedTse) -> None:
    image = TseImage(tse)
    offsets = Offsets.decode(image.read(OFFSET_TABLE_LBA, 1))
    assert offsets == image.offsets
    assert image.read(offsets.info, 1) == tse.read_info()
    assert image.read(offsets.window, 1) == tse.read_window()
    used = Host(tse).info.used_blocks
    assert image.read(offsets.store, used) == tse.read_store(0, used)


def test_the_driver_takes_a_copy_of_the_image_for_a_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    used = Host(tse).info.used_blocks
    with closing(RawDisk(dump(TseImage(tse), tmp_path / "disk", used))) as disk:
        assert disk.read_info() == tse.read_info()
        assert disk.read_store(0, used) == tse.read_store(0, used)


@pytest.mark.parametrize("capacity", [1, SMALL, MIDDLE, LARGE])
def test_the_store_is_one_run_of_blocks_over_all_files(capacity: int) -> None:
    tse = Sectors(capacity)
    image = TseImage(tse)
    for block in {0, capacity // 2, capacity - 1, min(capacity - 1, STORE_FILE_BLOCKS)}:
        assert image.read(image.offsets.store + block, 1) == tse.read_store(block, 1)
    border = min(capacity, STORE_FILE_BLOCKS)
    first = max(0, border - 3)
    count = min(6, capacity - first)
    image.write(image.offsets.store + first, b"abcdef"[:count] * SECTOR)
    assert tse.read_store(first, count) == b"abcdef"[:count] * SECTOR
    assert sorted(tse.written) == list(range(first, first + count))


@given(st.sampled_from([1, SMALL, MIDDLE, 4_300_000, LARGE]), st.data())
def test_a_long_read_is_the_same_as_many_short_ones(capacity: int, data: st.DataObject) -> None:
    image = TseImage(Sectors(capacity))
    count = data.draw(st.integers(0, 200))
    near = st.sampled_from([0, *borders_of(image), image.sectors])
    lba = max(0, min(image.sectors - count, data.draw(near) + data.draw(st.integers(-200, 200))))
    assert image.read(lba, count) == b"".join(image.read(lba + n, 1) for n in range(count))


def borders_of(image: TseImage) -> tuple[int, int, int]:
    return image.offsets.info, image.offsets.window, image.offsets.store


# --- writing ---


@given(st.sampled_from([SMALL, LARGE]), st.data())
def test_writing_to_the_file_system_changes_nothing(capacity: int, data: st.DataObject) -> None:
    tse = Sectors(capacity)
    image = TseImage(tse)
    begin = data.draw(st.integers(0, image.offsets.info - 1))
    count = data.draw(st.integers(1, min(64, image.offsets.info - begin)))
    before = image.read(begin, count)
    image.write(begin, b"\xff" * count * SECTOR)
    assert image.read(begin, count) == before
    assert tse == Sectors(capacity)


def test_the_last_clusters_behind_the_store_take_writes_and_forget_them() -> None:
    tse = Sectors(LARGE - 1)
    image = TseImage(tse)
    end = image.offsets.store + tse.capacity_blocks
    assert end < image.sectors
    image.write(end, b"x" * SECTOR)
    assert image.read(end, 1) == bytes(SECTOR)
    assert tse == Sectors(LARGE - 1)


@pytest.mark.parametrize("capacity", [SMALL, LARGE])
def test_the_info_sector_is_read_only_and_nothing_beside_it_is_written(capacity: int) -> None:
    tse = Sectors(capacity)
    image = TseImage(tse)
    count = image.offsets.store - image.offsets.info + 2  # info, window, and the begin of the store
    for lba, size in ((image.offsets.info, 1), (image.offsets.info, count), (image.offsets.info - 2, 3)):
        assert error_of(partial(image.write, lba, bytes(size * SECTOR))) == errno.EROFS
    assert tse == Sectors(capacity)


def test_a_write_across_the_window_gives_each_region_its_sectors() -> None:
    tse = Sectors(LARGE)
    image = TseImage(tse)
    count = image.offsets.store - image.offsets.window + 2
    image.write(image.offsets.window, b"w" * SECTOR + b"-" * (count - 3) * SECTOR + b"01" * SECTOR)
    assert tse.window == b"w" * SECTOR
    assert b"".join(tse.written[n] for n in (0, 1)) == b"01" * SECTOR
    assert sorted(tse.written) == [0, 1]


def test_blocks_outside_of_the_device_are_refused() -> None:
    tse = Sectors(MIDDLE)
    image = TseImage(tse)
    for lba, count in ((-1, 1), (image.sectors, 1), (image.sectors - 1, 2), (1 << 40, 1)):
        assert error_of(partial(image.read, lba, count)) == errno.EINVAL
        assert error_of(partial(image.write, lba, bytes(count * SECTOR))) == errno.EINVAL
    assert error_of(partial(image.read, 5, -1)) == errno.EINVAL
    assert tse == Sectors(MIDDLE)


@pytest.mark.parametrize("size", [1, 511, 513, 1025])
def test_data_that_are_no_whole_sectors_are_refused(size: int) -> None:
    tse = Sectors(SMALL)
    image = TseImage(tse)
    assert error_of(lambda: image.write(image.offsets.window, bytes(size))) == errno.EINVAL
    assert tse == Sectors(SMALL)


def error_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what the tests look at
        call()
    return caught.value.errno


# --- the volume itself ---


def test_an_image_of_gigabytes_costs_kilobytes() -> None:
    tracemalloc.start()
    try:
        image = TseImage(Sectors(LARGE))
        image.read(0, 64)
        image.read(image.sectors - 64, 64)
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()


def test_more_files_than_the_directory_holds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="do not fit"):
        Fat32([FatFile(f"A.{number:03d}", 1) for number in range(16)], label="X", volume_id=1)


# --- one TSE, three faces ---


@dataclass
class ImageFace:
    """The image as a host with raw access sees it."""

    image: TseImage

    def read_info(self) -> bytes:
        return self.image.read(self.image.offsets.info, 1)

    def read_window(self) -> bytes:
        return self.image.read(self.image.offsets.window, 1)

    def write_window(self, sector: bytes) -> None:
        self.image.write(self.image.offsets.window, sector)

    def read_store(self, block: int, count: int) -> bytes:
        return self.image.read(self.image.offsets.store + block, count)

    def write_store(self, block: int, data: bytes) -> None:
        self.image.write(self.image.offsets.store + block, data)


@FUSE
def test_the_image_is_a_file_that_the_driver_takes_for_a_tse_and_that_vanishes(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    with mounted(tse, tmp_path / "new" / "disk.img", image=True) as file:
        assert file.stat().st_size == TseImage(tse).size
        with closing(RawDisk(file)) as disk:
            number = Host(cast("SimulatedTse", disk)).receipt(b"x" * 600)
            used = Host(tse).info.used_blocks
            assert disk.read_store(0, used) == tse.read_store(0, used)
        assert number == 1
    assert file.read_bytes() == b""


@LOOP
@FUSE
def test_a_loop_device_over_the_image_is_a_disk_with_the_tse(tse: SimulatedTse, tmp_path: Path) -> None:
    with mounted(tse, tmp_path / "disk.img", image=True) as file:
        device = run("losetup", "--find", "--show", "--direct-io=on", file).strip()
        try:
            with closing(RawDisk(Path(device))) as disk:
                assert Host(cast("SimulatedTse", disk)).receipt(b"x" * 600) == 1
        finally:
            run("losetup", "--detach", device)


@FUSE
def test_a_file_in_use_is_refused_as_an_image(tse: SimulatedTse, tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x")
    with mounted(tse, tmp_path / "disk.img", image=True) as file:
        for place, reason in (
            (file, "something is mounted"),
            (tmp_path / "full", "not empty"),
            (tmp_path, "no file"),
            (tmp_path / "full" / "below", "Not a directory"),
        ):
            with pytest.raises(ConfigurationError, match=reason):
                mount(tse, place, image=True)


@FUSE
def test_device_mount_and_image_show_the_same_tse_at_any_moment(tse: SimulatedTse, tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = stack.enter_context(mounted(tse, tmp_path / "volume"))
        files = stack.enter_context(closing(MountedFiles(place)))
        hosts = [Host(cast("SimulatedTse", face)) for face in (tse, files, ImageFace(TseImage(tse)))]
        signatures = hosts[0].info.created_signatures
        for number, till in enumerate(hosts, start=1):
            assert till.receipt(b"x" * 600) == number
            assert {host.info.created_signatures for host in hosts} == {signatures + 2 * number}
            assert len({host.tse.read_window() for host in hosts}) == 1
            used = till.info.used_blocks
            assert len({host.tse.read_store(0, used + 2) for host in hosts}) == 1


def test_what_the_tse_raises_reaches_the_caller(tse: SimulatedTse) -> None:
    face = ImageFace(TseImage(tse))
    for fault, number in (("unplugged", errno.ENODEV), ("io_error", errno.EIO)):
        tse.faults.set(fault)
        assert error_of(face.read_info) == number
        assert error_of(lambda: face.write_window(bytes(SECTOR))) == number
        assert error_of(lambda: face.write_store(0, bytes(SECTOR))) == number
        tse.faults.clear()
    assert face.read_info() == tse.read_info()
