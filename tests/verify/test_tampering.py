"""Whoever changes a byte of an export is found out. Not signed and not checkable is only the text of info.csv."""

import os
import random
import time
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.fleet.device import Device
from gateway.simulator.device import SimulatedTse
from gateway.tse import signatures
from gateway.tse.commands import TransactionStep
from gateway.tse.log_names import ENDING
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import END, INFO_NAME, blocks_of, member, members
from gateway.verify.findings import Code, FileReport, MessageCounts
from tests.support import NOW, export, receipt, set_up, step
from tests.verify.conftest import Check
from tests.verify.exports import Tse, log_member

pytestmark = pytest.mark.usefixtures("judged_once")
EVERY_VALUE = os.environ.get("TSE_EVERY_BYTE_VALUE") == "1"  # 255 values per byte: an hour instead of half a minute

NO_WORDS = {Code.MESSAGE_OPERATION, Code.TRANSACTION_OPEN, Code.TRANSACTION_CUT, Code.TRANSACTION_START}


@pytest.fixture
async def large(device: Device, tse: SimulatedTse) -> bytes:
    """An export of a simulated TSE after some receipts."""
    await set_up(device.command, tse.serial, now=int(time.time()) + 60)  # its certificate is valid from its creation
    for number in range(8):
        await receipt(device.command, device, data=b"Beleg^%d.00" % number)
    await step(device.command, device, TransactionStep.START, data=bytes(700))
    return await export(device)


@pytest.fixture
def small(large: bytes) -> bytes:
    """The same, but only two of its messages."""
    found = list(members(large))
    logs = [one for one in found if one.name.endswith(ENDING)][1:3]
    others = [one for one in found if not one.name.endswith(ENDING)]
    return b"".join(member(one.name, one.data, mtime=NOW) for one in (*others, *logs)) + END


@pytest.fixture
def judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each signature be computed once for the same bytes and key: most changes leave most messages as they were."""
    made, known = signatures.check, dict[object, Callable[[], bool]]()

    def check(signature: bytes, signed: bytes, oid: bytes, key: ec.EllipticCurvePublicKey) -> Callable[[], bool]:
        asked = (signature, signed, oid, key.public_numbers())
        if asked not in known:
            known[asked] = cache(made(signature, signed, oid, key))
        return known[asked]

    monkeypatch.setattr(signatures, "check", check)


def test_an_export_of_a_simulated_tse_is_in_order(large: bytes, check: Check) -> None:
    report = check(large)
    count = sum(one.name.endswith(ENDING) for one in members(large))
    assert report.counts == MessageCounts(count, count, 0, 0)
    found = {str(code) for code, _ in report.findings.items()}
    assert found == {"chain.unanchored", "processdata.form", "processdata.start", "time.unset", "transaction.open"}


@pytest.mark.timeout(600)
def test_every_byte_of_a_small_export_matters(small: bytes, check: Check) -> None:
    baseline, values = _told(check(small)), random.Random(7)
    changes = (
        (at, change)
        for at in sorted(set(range(len(small))) - _info_text(small))
        for change in (range(1, 256) if EVERY_VALUE else [values.randrange(1, 256)])
    )
    unnoticed = [change for change in changes if _told(check(_changed(small, *change))) == baseline]
    assert unnoticed == []


@pytest.mark.parametrize("value", [1, 64])
def test_every_byte_of_a_long_name_matters(value: int, check: Check) -> None:
    tse = Tse()
    extended = log_member(tse.step(1, client=b"POS-" + b"7" * 60))
    data = tse.export([])[: -len(END)] + extended + END
    start = len(data) - len(END) - len(extended)
    assert data[start + 156 : start + 157] == b"x"
    baseline = _told(check(data))
    places = range(start, start + 3 * SECTOR)  # the extension's header and text, then the header of the message
    assert [at for at in places if _told(check(_changed(data, at, value))) == baseline] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_of_a_larger_export_matter(data: st.DataObject, large: bytes, check: Check) -> None:
    free = _info_text(large)
    at = data.draw(st.integers(0, len(large) - 1).filter(lambda at: at not in free))
    assert _told(check(_changed(large, at, data.draw(st.integers(1, 255))))) != _told(check(large))


@pytest.mark.parametrize("cut", [1, SECTOR, 2 * SECTOR, 2 * SECTOR + 1, 3 * SECTOR, 5000])
def test_an_export_that_ends_early_is_found(cut: int, large: bytes, check: Check) -> None:
    assert _told(check(large[:-cut])) != _told(check(large))


def test_a_message_taken_out_is_found(large: bytes, check: Check) -> None:
    kept = [member(one.name, one.data, mtime=NOW) for one in members(large)]
    for out in range(2, len(kept) - 1):  # without the last nothing shows that there was more
        report = check(b"".join(kept[:out] + kept[out + 1 :]) + END)
        assert _told(report) != _told(check(large))


def _info_text(archive: bytes) -> set[int]:
    """Where the three values of info.csv stand: whatever is printable may stand there."""
    (info,) = (one for one in members(archive) if one.name == INFO_NAME)
    start = (info.block + blocks_of(0)) * SECTOR
    quotes = [at for at, letter in enumerate(info.data) if letter == ord('"')]
    return {start + at for first, last in zip(quotes[2::4], quotes[3::4], strict=True) for at in range(first + 1, last)}


def _changed(data: bytes, at: int, change: int) -> bytes:
    return data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]


def _told(report: FileReport) -> tuple[object, ...]:
    details = [(code, one.detail) for code, found in report.findings.items() for one in found.examples]
    english = [(code, detail) for code, detail in details if detail.en == detail.de and code not in NO_WORDS]
    assert [told for told in english if told[1]] == [], "a detail without a German twin"
    return (report.counts, [(code, found.count) for code, found in report.findings.items()])
