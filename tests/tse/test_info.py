import contextlib
import hashlib
import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.commands import User
from gateway.tse.fields import Generation
from gateway.tse.info import MAGIC, Lifecycle, TseInfo, version_text
from gateway.tse.sectors import SECTOR
from tests.tse.samples import RECORDINGS, Exchange, exchanges

SECONDS = {"auto_logout_seconds": 16, "certificate_expires": 64, "tar_export_bytes": 64, "lifecycle": 8}
recorded = [exchange for exchange in exchanges() if exchange.verb == "readInfo"]
text = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=3)


def _values() -> st.SearchStrategy[dict[str, Any]]:
    kinds: dict[str, st.SearchStrategy[Any]] = {"serial": st.binary(min_size=32, max_size=32)}
    kinds["public_key"] = st.binary(max_size=101)
    for item in fields(TseInfo):
        if item.type is bool:
            kinds[item.name] = st.booleans()
        elif item.type is int:
            narrow = {"credentials_changed": 8, "logged_in_user": 8} | SECONDS
            kinds[item.name] = st.integers(0, 2 ** narrow.get(item.name, 32) - 1)
        elif item.type is str:
            kinds[item.name] = text
    return st.fixed_dictionaries(kinds)


@given(_values())
def test_an_info_is_read_back_as_it_was(values: dict[str, Any]) -> None:
    info = TseInfo(**values)
    assert TseInfo.decode(info.encode()) == info


@given(st.binary(min_size=SECTOR - 4, max_size=SECTOR - 4))
def test_any_sector_is_either_understood_or_a_protocol_error(rest: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        info = TseInfo.decode(MAGIC + rest)
        assert info.raw == MAGIC + rest
        assert info.remaining_signatures >= 0
        assert "raw" not in info.as_dict()


@pytest.mark.parametrize(
    ("sector", "reason"),
    [
        (bytes(SECTOR), "does not begin with GMIS"),
        (MAGIC, "512 bytes, not 4"),
        (MAGIC + b"\xff" * 508, "public key of 255 bytes"),
    ],
)
def test_what_is_no_info_sector_is_told_so(sector: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        TseInfo.decode(sector)


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial": bytes(31)},
        {"public_key": bytes(102)},
        {"form_factor": "USB3"},
        {"description": "x" * 224},
        {"capacity_blocks": 2**32},
        {"created_signatures": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_values_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        replace(TseInfo(bytes(32), bytes(97)), **wrong).encode()


# One row for each field: where it stands, what is written there, what must be read.
OFFSETS: list[tuple[int, str, str, Any]] = [
    (0x04, "52454c00", "firmware_type", "REL"),
    (0x14, "00e4e1c0", "capacity_blocks", 15_000_000),
    (0x18, "00000102", "used_blocks", 0x102),
    (0x1C, "01", "valid_time", True),
    (0x1C, "02", "self_test_passed", True),
    (0x1C, "04", "ctss_active", True),
    (0x1C, "08", "export_if_csp_fails", True),
    (0x1D, "02", "lifecycle", Lifecycle.DECOMMISSIONED),
    (0x1E, "07", "import_in_progress", True),
    (0x20, "05", "credentials_changed", 5),
    (0x21, "02", "logged_in_user", 2),
    (0x24, "00015f90", "self_test_due_seconds", 90_000),
    (0x28, "00000003", "open_transactions", 3),
    (0x2C, "00000200", "max_open_transactions", 512),
    (0x30, "00000011", "created_signatures", 17),
    (0x34, "01312d00", "max_signatures", 20_000_000),
    (0x38, "00000005", "registered_clients", 5),
    (0x3C, "00000064", "max_registered_clients", 100),
    (0x40, "0000000178 5f5500".replace(" ", ""), "certificate_expires", 0x1785F5500),
    (0x48, "0000000000001600", "tar_export_bytes", 5632),
    (0x50, "00010000", "hardware_version", 0x10000),
    (0x54, "00010100", "software_version", 0x10100),
    (0x58, "7553 4400".replace(" ", ""), "form_factor", "uSD"),
    (0x5C, "0384", "auto_logout_seconds", 900),
    (0x5E, "00000708", "max_time_sync_delay_seconds", 1800),
    (0x62, "0000003c", "max_update_delay_seconds", 60),
    (0x66, "00000007", "last_entry_block", 7),
    (0x6A, "020400", "public_key", b"\x04\x00"),
    (0xD0, "00000001", "time_sync_due_seconds", 1),
    (0xD4, "00000002", "admin_puk_blocked_seconds", 2),
    (0xD8, "00000003", "time_admin_puk_blocked_seconds", 3),
    (0xDC, "00000004", "logger_puk_blocked_seconds", 4),
    (0x100, "ab" * 32, "serial", b"\xab" * 32),
    (0x120, "54522d3100", "description", "TR-1"),
]


@pytest.mark.parametrize(("at", "written", "name", "value"), OFFSETS, ids=lambda part: str(part)[:30])
def test_every_field_stands_where_the_vendors_library_looks(at: int, written: str, name: str, value: object) -> None:
    raw = bytes.fromhex(written)
    sector = (MAGIC.ljust(at, b"\0") + raw).ljust(SECTOR, b"\0")
    assert getattr(TseInfo.decode(sector), name) == value


def test_every_field_is_in_that_table() -> None:
    assert {name for _, _, name, _ in OFFSETS} == {item.name for item in fields(TseInfo)} - {"raw"}


@pytest.mark.parametrize("exchange", recorded, ids=lambda exchange: exchange.scenario)
def test_recorded_info_sectors_are_understood_byte_for_byte(exchange: Exchange) -> None:
    info = TseInfo.decode(exchange.got or b"")
    assert info.encode() == exchange.got
    assert info.serial == hashlib.sha256(info.public_key).digest()
    assert len(info.public_key) == 97
    assert (info.firmware_type, info.form_factor, info.software) == ("RLS", "USB", "1.1.0")
    assert info.capacity_blocks == 15_000_000
    assert info.generation is Generation.ONE


@pytest.mark.parametrize("scenario", ["setup-fresh-tse", "daily-start", "decommission", "delete-stored-data"])
def test_the_last_info_says_what_the_vendors_library_made_of_it(scenario: str) -> None:
    shown = re.findall(
        r"^info .* state=(\d+) st=(\d+) time=(\d+) sig=(\d+) size=(\d+) tar=(\d+)",
        (RECORDINGS / "lantse" / f"{scenario}.client.txt").read_text(),
        re.MULTILINE,
    )[-1]
    info = TseInfo.decode([exchange.got for exchange in recorded if exchange.scenario == scenario][-1] or b"")
    read = (
        info.lifecycle,
        info.self_test_passed,
        info.valid_time,
        info.created_signatures,
        info.used_blocks,
        info.export_bytes,
    )
    assert tuple(map(int, shown)) == read


def test_what_follows_from_the_fields() -> None:
    info = TseInfo(bytes.fromhex("ab" * 32), b"", software_version=0x0002_0304, max_signatures=5, created_signatures=7)
    assert info.serial_hex == "AB" * 32
    assert info.software == "2.3.4"
    assert info.generation is Generation.TWO
    assert info.remaining_signatures == 0
    assert replace(info, created_signatures=2).remaining_signatures == 3
    assert replace(info, tar_export_bytes=99).export_bytes == 99
    assert replace(info, tar_export_bytes=99, used_blocks=9).export_bytes == 11 * 512
    assert info.as_dict()["serial"] == "AB" * 32
    assert version_text(0xFFFF_FFFF) == "65535.255.255"


def test_in_generation_2_six_credentials_have_to_change_and_a_puk_may_be_blocked() -> None:
    first = TseInfo(bytes(32), b"", software_version=0x0001_0100, credentials_changed=7)
    second = replace(first, software_version=0x0002_0000, time_admin_puk_blocked_seconds=4)
    assert (first.all_credentials_changed, second.all_credentials_changed) == (True, False)
    assert replace(second, credentials_changed=0x3F).all_credentials_changed
    assert [second.puk_blocked_seconds(user) for user in User] == [0, 0, 4, 0]


def test_the_longest_key_fits_and_text_beyond_latin_1_is_marked() -> None:
    info = TseInfo(serial=bytes(32), public_key=b"k" * 101, description="3 €")
    read = TseInfo.decode(info.encode())
    assert (read.public_key, read.description) == (info.public_key, "3 ?")
