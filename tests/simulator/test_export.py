"""The archive: readable by anyone, filtered, acknowledged, deleted; signatures that others verify."""

import io
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.tse.certificates import chain_problems, key_of, load, serial_of
from gateway.tse.commands import (
    FILTER_OPEN_END,
    AbortExport,
    AcknowledgeExport,
    DeleteStoredData,
    ExportIfCspFails,
    LastTransaction,
    Login,
    Logout,
    NextExportPart,
    OpenImport,
    Part,
    ReadCertificate,
    RegisterClient,
    SelfTest,
    SetTime,
    StartExport,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.fields import Command
from gateway.tse.layout import store_file
from gateway.tse.logmessage import LogMessage, LogType, verify
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from gateway.tse.tar import members
from tests.needs import OPENSSL
from tests.simulator.host import ADMIN_PIN, CLIENT, TIME, Host, RefusedError

EVERYTHING = StartExport(0, FILTER_OPEN_END, 0, FILTER_OPEN_END, b"")


def full_export(host: Host) -> bytes:
    return host.tse.read_store(0, host.info.used_blocks + 2)


def filtered(host: Host, command: StartExport) -> bytes:
    host.do(command)
    parts = []
    while part := Part.decode(host.do(NextExportPart())).data:
        parts.append(part)
    assert {len(part) for part in parts[:-1]} <= {496}
    return b"".join(parts)


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def messages(archive: bytes) -> list[LogMessage]:
    return [LogMessage.decode(entry.data) for entry in list(members(archive))[2:]]


@pytest.fixture
def worked(host: Host) -> Host:
    """Two clients, transactions 1 to 4 at different times, a login between."""
    host.do(RegisterClient(b"K 2"))
    host.receipt(b"a" * 600)
    host.do(SetTime(TIME + 100))
    host.receipt(client=b"K 2")
    host.do(Login(User.ADMIN, ADMIN_PIN))
    host.do(SetTime(TIME + 200))
    host.receipt(b"")
    host.step(TransactionStep.START)
    return host


def test_the_store_is_an_archive_with_two_leading_members(worked: Host) -> None:
    serial = worked.info.serial_hex
    assert names(full_export(worked)) == [
        "info.csv",
        f"{serial}_X509.pem",
        "Unixt_0_Sig-1_Log-Sys_Initialize.log",
        f"Unixt_{TIME}_Sig-2_Log-Sys_UpdateTime.log",
        f"Unixt_{TIME}_Sig-3_Log-Tra_No-1_Start_Client-POS-1.log",
        f"Unixt_{TIME}_Sig-4_Log-Tra_No-1_Finish_Client-POS-1.log",
        f"Unixt_{TIME + 100}_Sig-5_Log-Sys_UpdateTime.log",
        f"Unixt_{TIME + 100}_Sig-6_Log-Tra_No-2_Start_Client-K 2.log",
        f"Unixt_{TIME + 100}_Sig-7_Log-Tra_No-2_Finish_Client-K 2.log",
        f"Unixt_{TIME + 100}_Sig-8_Log-Sys_AuthenticateUser.log",
        f"Unixt_{TIME + 200}_Sig-9_Log-Sys_UpdateTime.log",
        f"Unixt_{TIME + 200}_Sig-10_Log-Tra_No-3_Start_Client-POS-1.log",
        f"Unixt_{TIME + 200}_Sig-11_Log-Tra_No-3_Finish_Client-POS-1.log",
        f"Unixt_{TIME + 200}_Sig-12_Log-Tra_No-4_Start_Client-POS-1.log",
    ]


def test_the_tar_program_reads_it(worked: Host, tmp_path: Path) -> None:
    archive = tmp_path / "export.tar"
    archive.write_bytes(full_export(worked))
    listed = subprocess.run(["tar", "-tf", archive], capture_output=True, text=True, check=True)
    assert (listed.stdout.splitlines(), listed.stderr) == (names(archive.read_bytes()), "")


def test_every_signature_verifies_and_the_chain_holds(worked: Host) -> None:
    archive = full_export(worked)
    leaf, *others = load(list(members(archive))[1].data)
    assert serial_of(key_of(leaf)) == worked.tse.serial
    assert chain_problems(leaf, others, datetime.now(UTC)) == []
    assert [len(others), leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca] == [2, False]
    for message in messages(archive):
        assert verify(message, key_of(leaf))
        assert (message.deviations, message.algorithm_name) == ((), "ecdsa-plain-SHA384")


@OPENSSL
def test_openssl_verifies_chain_and_signatures(worked: Host, tmp_path: Path) -> None:
    archive = full_export(worked)
    certificates = [tmp_path / f"{name}.pem" for name in ("leaf", "ca", "root")]
    chain = load(worked.tse.certificates)
    for path, certificate in zip(certificates, chain, strict=True):
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
    leaf, ca, root = certificates
    subprocess.run(["openssl", "verify", "-CAfile", root, "-untrusted", ca, leaf], check=True, capture_output=True)
    key = tmp_path / "key.pem"
    key.write_bytes(key_of(chain[0]).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for message in (messages(archive)[0], messages(archive)[3]):
        data, signature = tmp_path / "data", tmp_path / "signature"
        data.write_bytes(message.signed_bytes)
        r, s = message.signature[:48], message.signature[48:]
        signature.write_bytes(encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")))
        run: list[str | Path] = ["openssl", "dgst", "-sha384", "-verify", key, "-signature", signature, data]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "Verified OK\n"


def test_the_names_say_that_this_is_a_simulator(worked: Host) -> None:
    info = next(members(full_export(worked))).data.decode()
    assert info.startswith('"description:","')
    assert info.endswith('"version:","1.1.0"\n')
    assert "SIMULATOR" in info
    for certificate in load(worked.tse.certificates):
        assert "SIMULATOR" in certificate.subject.rfc4514_string()


def test_system_logs_say_what_happened(worked: Host) -> None:
    worked.do(Logout(User.ADMIN))
    logs = {m.operation: m for m in messages(full_export(worked)) if m.log_type is LogType.SYSTEM}
    assert logs["Initialize"].system_data[:1] == b"\x81"
    before, after = TIME + 100, TIME + 200
    assert logs["UpdateTime"].system_data == b"\x81\4" + before.to_bytes(4, "big") + b"\x82\4" + after.to_bytes(
        4, "big"
    )
    assert logs["UpdateTime"].log_time == after
    assert logs["AuthenticateUser"].system_data == b"\x81\5Admin\x82\1\1\x83\1\xff"
    assert logs["LogOut"].system_data == b"\x81\5Admin\x82\1\0"


def test_the_last_entry_is_where_the_info_says(worked: Host) -> None:
    info = worked.info
    header = worked.tse.read_store(info.last_entry_block, 1)
    assert header.startswith(f"Unixt_{TIME + 200}_Sig-12_".encode())
    assert info.tar_export_bytes == info.export_bytes == len(full_export(worked))


def test_blocks_behind_the_used_ones_are_zero(worked: Host) -> None:
    used = worked.info.used_blocks
    assert worked.tse.read_store(used - 1, 5)[SECTOR:] == bytes(4 * SECTOR)
    assert worked.tse.read_store(used + 1_000_000, 3) == bytes(3 * SECTOR)


def test_the_certificate_chain_comes_in_parts(worked: Host) -> None:
    chain, offset = b"", 0
    while part := Part.decode(worked.do(ReadCertificate(offset))).data:
        chain += part
        offset += len(part)
        assert len(part) <= 496
    assert chain == worked.tse.certificates
    assert worked.result(ReadCertificate(len(chain) + 1)) == Result.INVALID_PARAMETER


def test_an_export_of_everything_equals_the_store(worked: Host) -> None:
    assert filtered(worked, EVERYTHING) == full_export(worked)


@pytest.mark.parametrize(
    ("command", "counters"),
    [
        (StartExport(0, FILTER_OPEN_END, 1, 1, CLIENT), [3, 4]),
        (StartExport(0, FILTER_OPEN_END, 2, 3, b""), [6, 7, 10, 11]),
        (StartExport(0, FILTER_OPEN_END, 2, 3, b"K 2"), [6, 7]),
        (StartExport(0, 5, 0, FILTER_OPEN_END, b""), [1]),
        (StartExport(TIME + 100, TIME + 100, 0, FILTER_OPEN_END, b""), [5, 6, 7, 8]),
        (StartExport(TIME + 100, TIME + 200, 0, FILTER_OPEN_END, b"K 2"), [5, 6, 7, 8, 9]),
    ],
)
def test_filters(worked: Host, command: StartExport, counters: list[int]) -> None:
    archive = filtered(worked, command)
    assert names(archive)[:2] == ["info.csv", f"{worked.info.serial_hex}_X509.pem"]
    assert archive.endswith(bytes(1024))
    assert [message.signature_counter for message in messages(archive)] == counters


@pytest.mark.parametrize(
    "command",
    [
        StartExport(0, FILTER_OPEN_END, 900, 901, b""),
        StartExport(0, FILTER_OPEN_END, 1, 1, b"K 2"),
        StartExport(1, 2, 0, FILTER_OPEN_END, b""),
        StartExport(TIME, 0, 0, FILTER_OPEN_END, b""),
    ],
)
def test_filters_that_match_nothing(worked: Host, command: StartExport) -> None:
    assert worked.result(command) == Result.NO_DATA_AVAILABLE
    assert worked.result(NextExportPart()) == Result.NO_EXPORT_IN_PROGRESS


def test_one_export_at_a_time_and_nothing_is_signed_meanwhile(worked: Host) -> None:
    worked.do(EVERYTHING)
    for command in (EVERYTHING, OpenImport(TransactionStep.START, CLIENT, 0, 0, b"")):
        assert worked.result(command) == Result.EXPORT_IN_PROGRESS
    worked.do(AbortExport())
    assert worked.result(AbortExport()) == worked.result(NextExportPart()) == Result.NO_EXPORT_IN_PROGRESS
    worked.receipt()


def test_what_is_logged_during_an_export_does_not_come_in(worked: Host) -> None:
    before = full_export(worked)
    worked.do(EVERYTHING)
    first = Part.decode(worked.do(NextExportPart())).data
    worked.do(Login(User.ADMIN, ADMIN_PIN))
    parts = [first]
    while part := Part.decode(worked.do(NextExportPart())).data:
        parts.append(part)
    assert b"".join(parts) == before


def test_an_export_does_not_survive_a_power_cycle(worked: Host) -> None:
    worked.do(EVERYTHING)
    worked.tse.power_cycle()
    assert worked.result(NextExportPart()) == Result.NO_EXPORT_IN_PROGRESS


def acknowledge_all(host: Host) -> None:
    host.do(AcknowledgeExport((host.info.used_blocks + 2) * SECTOR))


def test_deleting_needs_everything_acknowledged(worked: Host) -> None:
    assert worked.result(DeleteStoredData()) == Result.TSE_HAS_OPEN_TRANSACTIONS
    worked.step(TransactionStep.FINISH, 4)
    assert worked.result(DeleteStoredData()) == Result.UNACKNOWLEDGED_DATA
    worked.do(AcknowledgeExport(8 * SECTOR))
    assert worked.result(DeleteStoredData()) == Result.UNACKNOWLEDGED_DATA
    acknowledge_all(worked)
    worked.do(Login(User.ADMIN, ADMIN_PIN))  # one more log
    assert worked.result(DeleteStoredData()) == Result.UNACKNOWLEDGED_DATA
    acknowledge_all(worked)
    worked.do(EVERYTHING)
    assert worked.result(DeleteStoredData()) == Result.EXPORT_IN_PROGRESS
    worked.do(AbortExport())
    worked.tse.power_cycle()
    worked.start_day()  # its one log comes after the acknowledgement
    assert worked.result(DeleteStoredData()) == Result.UNACKNOWLEDGED_DATA
    acknowledge_all(worked)
    worked.do(DeleteStoredData())


def test_after_deleting_two_members_are_left_and_the_counters_go_on(worked: Host, tmp_path: Path) -> None:
    worked.step(TransactionStep.FINISH, 4)
    acknowledge_all(worked)
    before = worked.info
    worked.do(DeleteStoredData())
    info = worked.info
    assert len(names(full_export(worked))) == 2
    assert (info.used_blocks, info.last_entry_block) == (worked.tse._core.state.leading_blocks, 2)
    assert (tmp_path / "tse" / "TSE_TAR.001").stat().st_size == info.used_blocks * SECTOR
    assert info.created_signatures == before.created_signatures
    assert TransactionReply.decode(worked.do(LastTransaction(CLIENT))).transaction_number == 4
    worked.do(DeleteStoredData())
    reply = worked.step(TransactionStep.START)
    assert (reply.transaction_number, reply.signature_counter) == (5, before.created_signatures + 1)
    assert [m.signature_counter for m in messages(full_export(worked))] == [reply.signature_counter]


def test_more_than_there_is_cannot_be_acknowledged(worked: Host) -> None:
    length = (worked.info.used_blocks + 2) * SECTOR
    for wrong in (length + 1, 2**64 - 1):
        assert worked.result(AcknowledgeExport(wrong)) == Result.INVALID_PARAMETER


def test_when_the_signature_part_fails_the_store_can_be_exported_if_allowed_before(worked: Host) -> None:
    commands: list[Command] = [EVERYTHING, NextExportPart(), AbortExport(), ReadCertificate(0), AcknowledgeExport(0)]
    worked.do(ExportIfCspFails(False))
    worked.tse.faults.set("failed_self_test")
    assert worked.result(SelfTest(CLIENT)) == Result.SELF_TEST_CSP
    assert worked.result(EVERYTHING) == Result.NEEDS_PASSED_SELF_TEST
    worked.tse.faults.clear()
    worked.do(SelfTest(CLIENT))
    worked.do(ExportIfCspFails(True))
    used = worked.info.used_blocks
    worked.tse.faults.set("failed_self_test")
    assert worked.result(SelfTest(CLIENT)) == Result.SELF_TEST_CSP
    assert [worked.result(command) for command in commands] == [0] * 5
    assert (worked.info.used_blocks, worked.info.export_bytes) == (0, (used + 2) * SECTOR)
    with pytest.raises(RefusedError, match="0x1055"):
        worked.step(TransactionStep.START)


def test_a_store_that_somebody_damaged_is_an_io_error(worked: Host, tmp_path: Path) -> None:
    path = tmp_path / "tse" / store_file(1)
    content = bytearray(path.read_bytes())
    at = content.index(b"Unixt_")
    content[at : at + 512] = bytes(512)
    path.write_bytes(content)
    with pytest.raises(OSError, match="damaged at block"):
        worked.do(EVERYTHING)
