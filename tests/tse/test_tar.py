import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.certificates import by_serial, chain_problems, load
from gateway.tse.info import TseInfo
from gateway.tse.logmessage import LogMessage, verify
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END, INFO_NAME, PAX, Header, Member, blocks_of, is_ustar, member, members, pax_records
from tests.tse.samples import SAMPLES, exchanges

files = st.dictionaries(st.text("abc-_.ü", min_size=1, max_size=150), st.binary(max_size=1500), min_size=1, max_size=5)


def recorded_export(scenario: str) -> bytes:
    """The store as the vendor's library read it, put together from its reads."""
    return b"".join(e.got or b"" for e in exchanges() if e.scenario == scenario and e.verb == "readWormStore")


def recorded_parts() -> list[bytes]:
    """The filtered exports of the recording, each put together from its parts."""
    exports: list[bytes] = []
    for exchange in exchanges():
        if exchange.scenario == "export-filtered" and exchange.sent is not None and exchange.got is not None:
            if exchange.sent[0] == 0xA0:
                exports.append(b"")
            else:
                exports[-1] += exchange.got[2:]
    return exports


@given(files, st.integers(0, 2**33 - 1), st.booleans())
def test_members_are_read_back_by_us_and_by_tarfile(contents: dict[str, bytes], mtime: int, ended: bool) -> None:
    whole = b"".join(member(name, data, mtime=mtime) for name, data in contents.items()) + END * ended
    assert len(whole) % SECTOR == 0
    found = list(members(whole))
    assert {item.name: item.data for item in found} == contents
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        infos = tar.getmembers()
    assert [item.block for item in found] == [info.offset // SECTOR for info in infos]
    assert {info.mtime for info in infos} == {mtime}


@given(st.integers(0, 3000))
def test_blocks_of_a_member_are_what_it_takes(size: int) -> None:
    assert len(member("x.log", bytes(size), mtime=0)) == blocks_of(size) * SECTOR


def test_the_recorded_full_export_is_read_and_verifies() -> None:
    whole = recorded_export("export-full")
    info = TseInfo.decode(
        next(e.got for e in exchanges() if e.scenario == "export-full" and e.verb == "readInfo") or b""
    )
    assert len(whole) == info.export_bytes == 28160
    assert whole.endswith(END)
    found = list(members(whole))
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert [item.name for item in found] == tar.getnames()
    assert found[0].name == INFO_NAME
    assert found[-1].block == info.last_entry_block
    key = by_serial(load(found[1].data))[info.serial].public_key()
    logs = [LogMessage.decode(item.data) for item in found[2:]]
    assert [log.file_name for log in logs] == [item.name for item in found[2:]]
    assert [log.signature_counter for log in logs] == list(range(1, info.created_signatures + 1))
    assert all(not log.deviations and log.serial == info.serial for log in logs)
    assert all(verify(log, key) for log in logs)  # type: ignore[arg-type]


def test_recorded_filtered_exports_are_archives_too() -> None:
    transaction, time = recorded_parts()
    assert [item.name.rpartition("_Log-")[2] for item in members(transaction)][2:] == [
        "Tra_No-1_Start_Client-POS-1.log",
        "Tra_No-1_Finish_Client-POS-1.log",
    ]
    assert [item.name for item in members(time)][2:] == ["Unixt_0_Sig-1_Log-Sys_Initialize.log"]


@pytest.mark.parametrize(
    ("name", "logs", "indefinite"),
    [
        ("SignatureCounterStartsWithTwo.tar", 40, 0),
        ("TSSProtokoll_GF_2021-09-28_10_17_49.tar", 6, 0),
        ("54312d72-d3ed-413c-9d32-7f457576e4c8.tar", 20, 6),
        ("inconsistent_certificates.tar", 3, 3),
    ],
)
def test_exports_of_real_devices_are_read_and_verify(name: str, logs: int, indefinite: int) -> None:
    found = list(members((SAMPLES / name).read_bytes()))
    messages = {item.name: LogMessage.decode(item.data) for item in found if item.name.endswith(".log")}
    others = [item for item in found if not item.name.endswith((".log", INFO_NAME))]
    certificates = by_serial(certificate for item in others for certificate in load(item.data))
    assert len(messages) == logs
    for file, log in messages.items():
        certificate = certificates[log.serial]
        assert log.is_named(file)
        assert verify(log, certificate.public_key())  # type: ignore[arg-type]
        assert chain_problems(certificate, list(certificates.values()), certificate.not_valid_before_utc) == []
    assert sum(bool(log.deviations) for log in messages.values()) == indefinite


def test_the_vendors_two_messages_verify_under_its_chain() -> None:
    chain = load((SAMPLES / "usb_tse_testversion_chain_2020.pem").read_bytes())
    for name in ("Sig-917_StartTransaction.log", "Sig-918_FinishTransaction.log"):
        log = LogMessage.decode((SAMPLES / name).read_bytes())
        assert verify(log, by_serial(chain)[log.serial].public_key())  # type: ignore[arg-type]


def test_names_with_a_dot_and_other_kinds_of_members_are_no_obstacle() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        directory = tarfile.TarInfo("./")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        file = tarfile.TarInfo("./a.log")
        file.size = 3
        tar.addfile(file, io.BytesIO(b"abc"))
    assert list(members(out.getvalue())) == [Member("a.log", b"abc", 1)]


_WHOLE = member("a.log", b"a" * 700, mtime=1) + member("b.log", b"b", mtime=1) + END
_LONG = member("l" * 120, b"x", mtime=1) + END


@pytest.mark.parametrize("length", [1, 511, 600, 1000, 1700, 3 * SECTOR + 511])
def test_a_cut_off_archive_is_told_so_and_not_taken_for_a_whole_one(length: int) -> None:
    with pytest.raises(ProtocolError, match="not a readable TAR"):
        list(members(_WHOLE[:length]))


def test_a_broken_header_is_told_so_and_not_taken_for_the_end() -> None:
    broken = bytearray(_WHOLE)
    broken[3 * SECTOR + 150] ^= 1
    with pytest.raises(ProtocolError, match=f"broken header at {3 * SECTOR}"):
        list(members(bytes(broken)))


def test_a_sparse_member_is_refused() -> None:
    header = tarfile.TarInfo("s")
    header.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(ProtocolError, match="not a readable TAR"):
        list(members(header.tobuf(tarfile.GNU_FORMAT) + END))


def test_a_negative_size_does_not_send_the_reader_in_circles() -> None:
    raw = bytearray(_WHOLE)
    raw[SECTOR * 3 + 124 : SECTOR * 3 + 136] = (-3 * SECTOR).to_bytes(12, "big", signed=True)
    raw[SECTOR * 3 + 148 : SECTOR * 3 + 156] = b" " * 8
    raw[SECTOR * 3 + 148 : SECTOR * 3 + 155] = b"%06o\0" % sum(raw[SECTOR * 3 : SECTOR * 4])
    with pytest.raises(ProtocolError, match="not a readable TAR"):
        list(members(bytes(raw)))


def test_headers_without_end_do_not_break_the_reader() -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    with pytest.raises(ProtocolError, match="not a readable TAR"):
        list(members(header.tobuf(tarfile.USTAR_FORMAT) * 5000))


@given(st.sampled_from([_WHOLE, _LONG]), st.data())
def test_a_damaged_archive_is_either_read_or_a_protocol_error(whole: bytes, data: st.DataObject) -> None:
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        list(members(bytes(raw)))


@given(st.binary(max_size=2 * SECTOR))
def test_any_bytes_are_an_archive_or_a_protocol_error(raw: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        list(members(raw))


@given(st.binary(max_size=200))
def test_any_records_of_an_extended_header_are_read_or_a_protocol_error(records: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    raw = header.tobuf(tarfile.USTAR_FORMAT) + records.ljust(SECTOR, b"\0") + _WHOLE
    with contextlib.suppress(ProtocolError):
        list(members(raw))


def test_what_is_nothing_is_no_archive() -> None:
    with pytest.raises(ProtocolError, match="empty file"):
        list(members(b""))
    assert list(members(END)) == []


@given(files, st.booleans())
def test_headers_are_those_that_tarfile_finds(contents: dict[str, bytes], gnu: bool) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT if gnu else tarfile.PAX_FORMAT) as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    whole = buffer.getvalue()
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        infos = archive.getmembers()
    for info in infos:
        header = Header.decode(whole[info.offset_data - SECTOR : info.offset_data])
        assert header is not None
        assert is_ustar(whole[info.offset : info.offset + SECTOR])
        assert (header.size, header.is_file, header.blocks) == (info.size, True, blocks_of(info.size))
        if info.offset + SECTOR == info.offset_data:  # no extended header before it
            assert header.path == info.name.removeprefix("./")


def test_the_prefix_of_a_ustar_header_belongs_to_the_name() -> None:
    info = tarfile.TarInfo("directory/" * 10 + "x" * 90)
    header = Header.decode(info.tobuf(tarfile.USTAR_FORMAT))
    assert header is not None
    assert header.path == info.name


def test_a_size_in_base_256_is_read() -> None:
    info = tarfile.TarInfo("large")
    info.size = 2**40
    header = Header.decode(info.tobuf(tarfile.GNU_FORMAT))
    assert header is not None
    assert header.size == 2**40


@given(st.binary(min_size=SECTOR, max_size=SECTOR))
def test_any_other_block_is_no_header(block: bytes) -> None:
    assert Header.decode(block) is None
    assert Header.decode(block[:-1]) is None


@given(st.dictionaries(st.text("abcdef", min_size=1), st.text(), min_size=1, max_size=4))
def test_pax_records_are_read_back(pairs: dict[str, str]) -> None:
    data = tarfile.TarInfo._create_pax_generic_header(pairs, tarfile.XHDTYPE, "utf-8")[SECTOR:]  # type: ignore[attr-defined]
    assert {key.decode(): value.decode() for key, value in pax_records(data[: data.rindex(b"\n") + 1])} == pairs


@pytest.mark.parametrize("data", [b"x", b"8 path=a\n", b"10 path=ab", b"8 path a\n", b"0 ", b"999999 path=a\n"])
def test_what_is_no_pax_record_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="no PAX record"):
        list(pax_records(data))


@pytest.mark.parametrize(
    ("name", "extended"), [("a" * 100, False), ("a" * 101, True), ("a" * 150, True), ("ä.log", True), ("a.log", False)]
)
def test_only_a_name_that_a_header_cannot_hold_gets_an_extended_one(name: str, extended: bool) -> None:
    whole = member(name, b"x", mtime=1)
    header = Header.decode(whole[:SECTOR])
    assert header is not None
    assert (header.kind == PAX, header.is_file) == (extended, not extended)
    assert [item.name for item in members(whole)] == [name]
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert [info.mode for info in tar] == [0o444]


def test_a_compressed_archive_is_none_of_a_tse() -> None:
    with pytest.raises(ProtocolError, match="not a readable TAR"):
        list(members(gzip.compress(_WHOLE)))


def with_field(place: slice, content: bytes) -> bytes:
    """A header with this content in a field, and the checksum that belongs to it."""
    raw = bytearray(member("x", b"", mtime=0)[:SECTOR])
    raw[place] = content
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


SIZE = slice(124, 136)


def test_numbers_of_a_header_are_read_as_they_are_written() -> None:
    sizes = (b"00000000017\0", b"         17 ", b"\x80\1" + bytes(10))
    assert [header and header.size for header in map(Header.decode, (with_field(SIZE, size) for size in sizes))] == [
        0o17,
        0o17,
        2**80,
    ]
    for size in (b"X17".ljust(12, b"\0"), b"17\t".ljust(12, b"\0"), b"\x81".ljust(12, b"\0")):
        assert Header.decode(with_field(SIZE, size)) is None


def test_the_form_of_a_checksum_is_told_without_its_digits() -> None:
    header = Header.decode(with_field(SIZE, b"00000000017\0"))
    assert header is not None
    assert header.checksum_form == b"000000\0 "


def test_a_header_with_another_checksum_is_none() -> None:
    raw = bytearray(with_field(SIZE, b"00000000017\0"))
    raw[0] += 1
    assert Header.decode(bytes(raw)) is None
