"""What one look tells: of any bytes, of half a TSE, of one that cannot be used. Nothing is ever written."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.driver.usb.block_devices import Candidate
from gateway.driver.usb.probe import ProbeVerdict, probe
from gateway.tse import layout
from gateway.tse.layout import Offsets
from gateway.tse.sectors import SECTOR
from tests.fake_host import FakeHost, Opener, info_of, serial_of, tse_disk


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "host")


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda volume: (volume / layout.INFO_FILE).unlink(), ProbeVerdict.FOREIGN),
        (lambda volume: (volume / layout.WINDOW_FILE).unlink(), ProbeVerdict.DAMAGED),
        (lambda volume: (volume / layout.store_file(1)).unlink(), ProbeVerdict.DAMAGED),
        (lambda volume: (volume / layout.INFO_FILE).write_bytes(b""), ProbeVerdict.DAMAGED),
        (lambda volume: (volume / layout.INFO_FILE).write_bytes(bytes(SECTOR)), ProbeVerdict.DAMAGED),
    ],
)
def test_a_volume_with_half_of_a_tse(host: FakeHost, spoil: Callable[[Path], object], verdict: ProbeVerdict) -> None:
    volume = host.volume()
    assert probe(Candidate(volume)).verdict is ProbeVerdict.TSE
    spoil(volume)
    assert probe(Candidate(volume)).verdict is verdict


def with_table(table: bytes, info: bytes = b"") -> bytes:
    disk = bytearray(tse_disk())
    disk[layout.OFFSET_TABLE_LBA * SECTOR : (layout.OFFSET_TABLE_LBA + 1) * SECTOR] = table
    disk[20 * SECTOR : 20 * SECTOR + len(info)] = info
    return bytes(disk)


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"", ProbeVerdict.FOREIGN),
        (tse_disk()[: 8 * SECTOR], ProbeVerdict.FOREIGN),
        (with_table(bytes(SECTOR)), ProbeVerdict.FOREIGN),
        (with_table(Offsets(20, 21, 64).encode()), ProbeVerdict.FOREIGN),
        (with_table(Offsets(2**32 - 1, 21, 30).encode()), ProbeVerdict.FOREIGN),
        (with_table(Offsets(22, 21, 30).encode()), ProbeVerdict.FOREIGN),
        (with_table(Offsets(20, 21, 30).encode(), b"gmis"), ProbeVerdict.FOREIGN),
        (with_table(Offsets(20, 21, 30).encode(), info_of(1)[:0x6A] + b"\xff"), ProbeVerdict.DAMAGED),
        (with_table(Offsets(20, 21, 30).encode(), info_of(1)), ProbeVerdict.TSE),
    ],
)
def test_the_table_must_lead_to_an_info_sector(tmp_path: Path, content: bytes, verdict: ProbeVerdict) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(content)
    assert probe(Candidate(disk)).verdict is verdict


near = st.integers(0, 70)
tables = st.builds(lambda *offsets: Offsets(*offsets).encode(), near, near, near)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.one_of(st.none(), tables), st.one_of(st.none(), near))
@example(0, Offsets(20, 21, 30).encode(), 20)
def test_any_bytes_are_never_a_tse_and_never_written_to(seed: int, table: bytes | None, magic: int | None) -> None:
    content = bytearray(Random(seed).randbytes(71 * SECTOR))
    if table is not None:
        content[layout.OFFSET_TABLE_LBA * SECTOR : (layout.OFFSET_TABLE_LBA + 1) * SECTOR] = table
    if magic is not None:  # the magic, but nowhere that the table leads to
        content[magic * SECTOR + 4 : magic * SECTOR + 8] = b"GMIS"
    opener = Opener()
    with tempfile.TemporaryDirectory() as directory:
        disk = Path(directory) / "disk"
        disk.write_bytes(content)
        finding = probe(Candidate(disk, "key"), opener)
        assert finding.verdict is ProbeVerdict.FOREIGN
        assert disk.read_bytes() == content
    assert [flags & os.O_ACCMODE for _, flags in opener.opened] == [os.O_RDONLY]


@pytest.mark.parametrize("as_volume", [True, False])
def test_a_tse_is_only_read_while_it_is_looked_at(host: FakeHost, opener: Opener, as_volume: bool) -> None:
    place = host.volume() if as_volume else host.plug("sda", tse_disk())
    files = [file for file in [place, *place.glob("*")] if file.is_file()]
    before = [file.read_bytes() for file in files]
    assert opener.look(Candidate(place)).verdict is ProbeVerdict.TSE
    assert [file.read_bytes() for file in files] == before
    assert {flags & (os.O_ACCMODE | os.O_CREAT | os.O_TRUNC) for _, flags in opener.opened} == {os.O_RDONLY}


@pytest.mark.parametrize("as_volume", [True, False])
def test_a_tse_that_may_only_be_read_is_no_use(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, as_volume: bool
) -> None:
    place = host.volume() if as_volume else host.plug("sda", tse_disk())
    # Whoever runs this may be root, whom no mode keeps out.
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    found = probe(Candidate(place))
    assert (found.verdict, found.serial) == (ProbeVerdict.NO_PERMISSION, serial_of(1))
    assert "not written" in found.reason.en


def test_a_path_that_is_neither_disk_nor_directory_is_foreign(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert probe(Candidate(tmp_path / "fifo")).verdict is ProbeVerdict.FOREIGN
    assert probe(Candidate(Path("/dev/null"))).verdict is ProbeVerdict.FOREIGN
