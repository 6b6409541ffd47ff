"""What real archives do is tolerated; what is broken is found, and the rest is checked all the same."""

import io
import os
import tarfile
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.tse.der import integer_element
from gateway.tse.logmessage import UnsignedMessage
from gateway.tse.sectors import SECTOR
from gateway.tse.signatures import ALGORITHMS
from gateway.tse.tar import END, member, members
from gateway.verify import archive
from gateway.verify.files import Options
from gateway.verify.findings import Code, FileReport, MessageCounts, Severity
from gateway.verify.tar import MAX_EXTENSION
from gateway.verify.texts import MEANINGS
from tests.tse.schnorr import plain_curve, sign
from tests.verify.conftest import Check
from tests.verify.exports import INFO, INFO_MEMBER, NOW, Tse, log_member, pem

TSE = Tse()
MESSAGES = TSE.receipt(1)
EXPORT = TSE.export(MESSAGES)
GOOD = MessageCounts(2, 2, 0, 0)
COMPONENTS = (
    b'"component:","device","manufacturer:","c","model:","m","version:","1","certification-id:","B"\n'
    b'"description:","text",,,,,,,,\n'
)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_archives_packed_again_are_read(form: int, prefix: str, check: Check) -> None:
    long = Tse()
    messages = [long.step(1, client=b"POS-" + b"1" * (20 if form == tarfile.USTAR_FORMAT else 60))]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        tar.addfile(_directory("./"))
        for one in members(long.export(messages)):
            info = tarfile.TarInfo(f"{prefix}{one.name}")
            info.size, info.mtime, info.uname = len(one.data), NOW + 0.5, "somebody"
            tar.addfile(info, io.BytesIO(one.data))
    report = check(packed.getvalue())
    assert report.counts == MessageCounts(1, 1, 0, 0)
    assert _worse(report) == {}


def test_a_directory_around_all_is_read(check: Check) -> None:
    wrapped = b"".join(member(f"export/{one.name}", one.data, mtime=NOW) for one in members(EXPORT))
    report = check(wrapped + END)
    assert (report.counts, _worse(report)) == (GOOD, {})


def test_names_with_a_file_counter_and_extra_files_are_read(check: Check) -> None:
    names = {one.name: one.name.replace(".log", "_Fc-1.log").replace("_X509", "_X509_Fc-1") for one in members(EXPORT)}
    renamed = b"".join(member(names[one.name], one.data, mtime=NOW) for one in members(EXPORT))
    report = check(renamed + member("readme.txt", b"hello", mtime=NOW) + END)
    assert (report.counts, _worse(report)) == (GOOD, {})
    assert report.findings.count(Code.MEMBER_UNKNOWN) == 1


@pytest.mark.parametrize("ending", ["cer", "crt", "der", "pem"])
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_certificates_are_told_apart_by_content(ending: str, encoding: Encoding, check: Check) -> None:
    leaf, ca, root = (one.public_bytes(encoding) for one in TSE.chain)
    files = member(f"{TSE.serial.hex()}_X509.{ending}", leaf, mtime=NOW)
    files += member(f"ca.{ending}", ca, mtime=NOW) + member(f"root.{ending}", root, mtime=NOW)
    report = check(INFO_MEMBER + b"".join(map(log_member, MESSAGES)) + files + END)
    assert (report.counts, _worse(report)) == (GOOD, {})


@pytest.mark.parametrize(
    ("info", "noted"),
    [
        (b'"description:","a, b","manufacturer:","c","version:","1"', 0),
        (b'"description:","","manufacturer:","c","version:","1"\r\n', 0),
        (b'"description:", sign it, "manufacturer:", c, "version:", 1\n', 0),
        (COMPONENTS, 0),
        (b'"description:","\x07","manufacturer:","c","version:","1"', 1),
        (b'"descripton:","a","manufacturer:","c","version:","1"\n', 1),
        (b"", 1),
        (b"\xff\xfe", 1),
    ],
)
def test_the_forms_of_info_csv(info: bytes, noted: int, check: Check) -> None:
    report = check(EXPORT.replace(INFO_MEMBER, member("info.csv", info, mtime=NOW)))
    assert (report.counts, _worse(report)) == (GOOD, {})
    assert report.findings.count(Code.INFO_FORM) == noted


def test_a_missing_info_csv_is_a_warning(check: Check) -> None:
    report = check(EXPORT.removeprefix(INFO_MEMBER))
    assert (report.counts, _worse(report)) == (GOOD, {Code.INFO_MISSING: 1})


def test_a_broken_header_costs_its_member_only(check: Check) -> None:
    first, second = (log_member(message) for message in MESSAGES)
    broken = b"X" + first[1:]
    report = check(INFO_MEMBER + TSE.certificate_member() + broken + second + END)
    assert report.counts == MessageCounts(1, 1, 0, 0)
    assert report.findings.count(Code.TAR_HEADER) == 1


def test_what_stands_behind_the_end_is_found(check: Check) -> None:
    report = check(EXPORT + EXPORT)
    assert (report.counts, _worse(report)) == (GOOD, {Code.TAR_AFTER_END: 1})
    assert _worse(check(EXPORT + bytes(9 * SECTOR))) == {}


def test_padding_that_is_not_zero_is_found(check: Check) -> None:
    broken = bytearray(EXPORT)
    broken[len(EXPORT) - len(END) - 1] = 1
    report = check(bytes(broken))
    assert (report.counts, _worse(report)) == (GOOD, {Code.TAR_PADDING: 1})


def test_a_link_is_passed_over_and_told(check: Check) -> None:
    link = tarfile.TarInfo("Unixt_1_Sig-1_Log-Aud.log")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    report = check(EXPORT.removesuffix(END) + link.tobuf(tarfile.USTAR_FORMAT) + END)
    assert (report.counts, _worse(report)) == (GOOD, {Code.TAR_MEMBER: 1})


def test_a_forged_size_is_no_reason_to_read_it(check: Check) -> None:
    huge = tarfile.TarInfo("Unixt_1_Sig-1_Log-Aud.log")
    huge.size = 1 << 60
    report = check(EXPORT.removesuffix(END) + huge.tobuf(tarfile.GNU_FORMAT))
    assert (report.counts, set(_worse(report))) == (GOOD, {Code.TAR_TRUNCATED})


def test_a_message_that_fits_no_memory_is_refused(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.verify.messages.MAX_MESSAGE", len(MESSAGES[0]) - 1)
    report = check(EXPORT)
    assert report.counts == MessageCounts(2, 0, 2, 0)
    assert _worse(report) == {Code.MESSAGE_UNREADABLE: 2}


def test_sizes_written_in_base_256_are_read(check: Check) -> None:
    info = tarfile.TarInfo("info.csv")
    info.size = len(INFO)
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\x80" + len(INFO).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    report = check(bytes(header) + INFO.ljust(SECTOR, b"\0") + EXPORT.removeprefix(INFO_MEMBER))
    assert (report.counts, _worse(report)) == (GOOD, {})


def test_the_certificate_of_no_tse_may_be_there(check: Check) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    other = builder.not_valid_after(datetime(2030, 1, 1, tzinfo=UTC)).sign(key, None)
    report = check(EXPORT.removesuffix(END) + member("aa_X509.pem", pem(other), mtime=NOW) + END)
    assert (report.counts, _worse(report)) == (GOOD, {})


def test_an_extension_too_large_to_be_one_is_not_read(check: Check) -> None:
    extension = tarfile.TarInfo("pax")
    extension.type, extension.size = tarfile.XHDTYPE, MAX_EXTENSION + 1
    header = extension.tobuf(tarfile.USTAR_FORMAT)
    data = bytes(-(-extension.size // SECTOR) * SECTOR)
    report = check(EXPORT.removesuffix(END) + header + data + member("x", b"", mtime=NOW) + END)
    assert (report.counts, _worse(report)) == (GOOD, {Code.TAR_HEADER: 1})


@pytest.mark.parametrize("record", [b"0 path=x\n", b"9 path=x", b"x path=x\n", b"9 pathxx\n", b"99 path=x\n"])
def test_a_pax_header_that_cannot_be_read_is_found(record: bytes, check: Check) -> None:
    extension = tarfile.TarInfo("pax")
    extension.type, extension.size = tarfile.XHDTYPE, len(record)
    header = extension.tobuf(tarfile.USTAR_FORMAT) + record.ljust(SECTOR, b"\0")
    report = check(EXPORT.removesuffix(END) + header + member("x", b"", mtime=NOW) + END)
    assert report.counts == GOOD
    assert report.findings.count(Code.TAR_HEADER) == 1


def test_a_wrong_name_is_found(check: Check) -> None:
    name = next(one.name for one in members(EXPORT) if one.name.endswith(".log"))
    other = name.replace("_Sig-1_", "_Sig-7_")
    report = check(INFO_MEMBER + TSE.certificate_member() + member(other, MESSAGES[0], mtime=NOW) + END)
    assert _worse(report) == {Code.MESSAGE_NAME: 1}


def test_messages_without_certificate_are_not_called_valid(check: Check) -> None:
    report = check(INFO_MEMBER + b"".join(map(log_member, MESSAGES)) + END)
    assert report.counts == MessageCounts(2, 0, 0, 2)
    assert _worse(report) == {Code.KEY_MISSING: 2}


def test_an_algorithm_that_is_not_there_is_told(check: Check) -> None:
    ripemd = MESSAGES[0].replace(bytes.fromhex("04007f00070101040104"), bytes.fromhex("04007f00070101040106"))
    assert ripemd != MESSAGES[0]
    report = check(TSE.export([ripemd, MESSAGES[1]]))
    assert report.counts == MessageCounts(2, 1, 0, 1)
    assert _worse(report) == {Code.SIGNATURE_UNSUPPORTED: 1}


def test_schnorr_signatures_are_verified(check: Check) -> None:
    tse = Tse(ec.BrainpoolP384R1)
    good, bad = (_signed_by_schnorr(tse, number, signed) for number, signed in ((1, b""), (2, b"other")))
    report = check(tse.export([good, bad]))
    assert report.counts == MessageCounts(2, 1, 1, 0)
    assert _worse(report) == {Code.SIGNATURE_INVALID: 1}


def _signed_by_schnorr(tse: Tse, number: int, more: bytes) -> bytes:
    """A start that is signed together with `more`."""
    draft = UnsignedMessage.transaction(
        operation="StartTransaction",
        client_id=b"POS-1",
        process_data=b"",
        process_type=b"",
        number=number,
        serial=tse.serial,
        counter=number,
        log_time=integer_element(NOW),
        algorithm=ALGORITHMS["ecsdsa-plain-SHA384"],
    )
    private = tse.key.private_numbers().private_value
    return draft.sealed(sign(plain_curve("brainpoolP384r1"), private, 12345, draft.to_be_signed + more, "sha384"))


def test_nonsense_in_the_place_of_members_is_found(check: Check) -> None:
    broken = member("Unixt_1_Sig-1_Log-Aud.log", b"nonsense", mtime=NOW) + member("a_X509.pem", b"x", mtime=NOW)
    report = check(EXPORT.removesuffix(END) + broken + END)
    assert report.counts == MessageCounts(3, 2, 1, 0)
    assert _worse(report) == {Code.MESSAGE_UNREADABLE: 1, Code.CERTIFICATE_UNREADABLE: 1}


@pytest.mark.parametrize("empty", [END, b"", INFO_MEMBER + END, bytes(SECTOR)])
def test_an_archive_without_messages_is_a_warning(empty: bytes, check: Check) -> None:
    report = check(empty)
    assert report.counts == MessageCounts()
    assert report.findings.count(Code.FILE_EMPTY) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=3000), st.tuples(st.integers(0, len(EXPORT)), st.binary(max_size=600))))
def test_any_bytes_give_a_report(check: Check, damage: bytes | tuple[int, bytes]) -> None:
    if isinstance(damage, bytes):
        data = damage
    else:
        at, piece = damage
        data = EXPORT[:at] + piece + EXPORT[at + len(piece) :]
    counts = check(data).counts
    assert counts.messages == counts.valid + counts.invalid + counts.unchecked


def test_certificate_files_with_more_in_them_are_noted(check: Check) -> None:
    chatty = member("cert.pem", b"the certificate:\n" + pem(*TSE.chain), mtime=NOW)
    report = check(INFO_MEMBER + chatty + b"".join(map(log_member, MESSAGES)) + END)
    assert (report.counts, _worse(report)) == (GOOD, {})
    assert report.findings.count(Code.CERTIFICATE_FORM) == 1


def _directory(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


def _worse(report: FileReport) -> dict[Code, int]:
    return {code: found.count for code, found in report.findings.items() if MEANINGS[code].severity > Severity.NOTE}


def test_in_the_background_one_process_of_low_priority_does_the_work(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BACKGROUND_FROM", 1)
    began: list[int] = []

    def told(processes: int, *arguments: Any) -> ProcessPoolExecutor:
        made = ProcessPoolExecutor(processes, *arguments)
        began.append(processes)
        began.append(made.submit(os.getpriority, os.PRIO_PROCESS, 0).result())
        return made

    monkeypatch.setattr(archive, "ProcessPoolExecutor", told)
    report = check(EXPORT, Options(background=True))
    assert (report.counts, _worse(report)) == (GOOD, {})
    assert began == [1, 19]
