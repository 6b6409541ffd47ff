"""Exports of real devices: what is known of each is what the verifier says."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.tse.tar import END, member, members
from gateway.verify.files import Options, certificates_in, verify_file
from gateway.verify.findings import Code, FileReport, MessageCounts, Severity
from gateway.verify.texts import MEANINGS, worst
from tests.tse.samples import SAMPLES, key_of_vector, vectors
from tests.verify.exports import INFO_MEMBER, NOW, authority

CHAIN = SAMPLES / "usb_tse_testversion_chain_2020.pem"
START, FINISH = SAMPLES / "Sig-917_StartTransaction.log", SAMPLES / "Sig-918_FinishTransaction.log"


@dataclass(frozen=True)
class Known:
    """What is known of a sample; `found` names everything worse than a note."""

    messages: int
    counters: tuple[int, int]
    missing: int = 0
    invalid: int = 0
    found: dict[Code, int] = field(default_factory=dict)
    notes: dict[Code, int] = field(default_factory=dict)


KNOWN = {
    "54312d72-d3ed-413c-9d32-7f457576e4c8.tar": Known(20, (625, 644), notes={Code.MESSAGE_INDEFINITE: 6}),
    "SignatureCounterStartsWithTwo.tar": Known(40, (2, 41)),
    "TSSProtokoll_GF_2021-09-28_10_17_49.tar": Known(6, (40, 45), found={Code.CERTIFICATE_NAME: 1}),
    "inconsistent_certificates.tar": Known(
        3, (643, 1043), missing=398, found={Code.CERTIFICATE_NAME: 1}, notes={Code.COUNTER_SKIPPED: 2}
    ),
    # Those below may not be copied: they are read from a directory that the environment names.
    "cryptovision_hw_tse_2020.tar": Known(14, (713, 726), notes={Code.TAR_NO_END: 1}),
    "failedUpdate.tar": Known(21, (1, 22), missing=1, found={Code.COUNTER_GAP: 1}),
    "logMessages1.tar": Known(17, (1, 18), missing=1, found={Code.COUNTER_GAP: 1}),
    "multiExport.tar": Known(
        1636, (1, 1637), missing=1, found={Code.COUNTER_GAP: 1}, notes={Code.MESSAGE_INDEFINITE: 281}
    ),
    "2021-09-30_63641_TSE.tar": Known(141, (4, 208), missing=64, notes={Code.COUNTER_SKIPPED: 5}),
    "TSE_Export_12f97c6a-2c23-4dfe-a04d-2d94342789d2_202109171415.tar": Known(97, (2, 98)),
    "CONSTRUCTED_container_real_messages.tar": Known(2, (917, 918)),
    "CONSTRUCTED_tampered_finish.tar": Known(2, (917, 918), invalid=1, found={Code.SIGNATURE_INVALID: 1}),
}


def _sample_files() -> list[Path]:
    extra = os.environ.get("TSE_SAMPLES")
    more = Path(extra).rglob("*.tar") if extra else ()
    return sorted({file.name: file for file in (*more, *SAMPLES.glob("*.tar"))}.values())


@pytest.mark.parametrize("file", _sample_files(), ids=lambda file: file.stem)
def test_a_real_export_gives_what_is_known_of_it(file: Path) -> None:
    known, report = KNOWN[file.name], verify_file(str(file))
    assert report.counts == MessageCounts(known.messages, known.messages - known.invalid, known.invalid, 0)
    assert _worse_than_notes(report) == known.found
    assert {code: report.findings.count(code) for code in known.notes} == known.notes
    (span,) = report.spans
    assert (span.first_counter, span.last_counter) == known.counters
    assert (span.messages, span.missing) == (known.messages, known.missing)


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["id"]))
def test_a_single_message_gives_its_known_verdict(vector: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "message.log"
    file.write_bytes(bytes.fromhex(vector["logMessageHex"]))
    report = verify_file(str(file), Options((authority().certificate(key_of_vector(vector)),)))
    assert report.counts.messages == 1
    proven = vector["signatureValid"] and vector["serialMatchesKey"]
    assert report.counts.valid == int(proven)
    if not proven:
        assert worst(report.findings) is Severity.ERROR


@pytest.mark.parametrize("edge", ["edge-outer-length-nonminimal", "edge-trailing-garbage"])
def test_bytes_that_are_not_signed_are_found_when_they_change(edge: str, tmp_path: Path) -> None:
    (hexed,) = (vector["logMessageHex"] for vector in vectors() if vector["id"] == edge)
    file = tmp_path / "message.log"
    file.write_bytes(bytes.fromhex(hexed))
    report = verify_file(str(file), Options(certificates_in([str(CHAIN)])))
    assert report.counts.valid == 1
    assert _worse_than_notes(report) == {Code.MESSAGE_FORM: 1}


def test_a_real_message_that_was_tampered_with_is_invalid(tmp_path: Path) -> None:
    finish = bytearray(FINISH.read_bytes())
    finish[400] ^= 1
    archive = _around(START.read_bytes(), bytes(finish))
    (tmp_path / "export.tar").write_bytes(archive)
    report = verify_file(str(tmp_path / "export.tar"))
    assert report.counts == MessageCounts(2, 1, 1, 0)
    assert _worse_than_notes(report) == {Code.SIGNATURE_INVALID: 1}


def test_an_archive_without_end_mark_is_only_noted(tmp_path: Path) -> None:
    (tmp_path / "export.tar").write_bytes(_around(START.read_bytes(), FINISH.read_bytes()).removesuffix(END))
    report = verify_file(str(tmp_path / "export.tar"))
    assert report.counts == MessageCounts(2, 2, 0, 0)
    assert _worse_than_notes(report) == {}
    assert report.findings.count(Code.TAR_NO_END) == 1


def test_the_order_of_members_makes_no_difference(tmp_path: Path) -> None:
    sample = (SAMPLES / "SignatureCounterStartsWithTwo.tar").read_bytes()
    turned = [member(one.name, one.data, mtime=NOW) for one in members(sample)][::-1]
    (tmp_path / "export.tar").write_bytes(b"".join(turned) + END)
    report = verify_file(str(tmp_path / "export.tar"))
    assert report.counts == MessageCounts(40, 40, 0, 0)
    assert _worse_than_notes(report) == {}


def _around(start: bytes, finish: bytes) -> bytes:
    stem = "Unixt_1598511197_Sig-"
    return (
        INFO_MEMBER
        + member("cert.pem", CHAIN.read_bytes(), mtime=NOW)
        + member(f"{stem}917_Log-Tra_No-26_Start_Client-SWISSBIT.log", start, mtime=NOW)
        + member(f"{stem}918_Log-Tra_No-26_Finish_Client-SWISSBIT.log", finish, mtime=NOW)
        + END
    )


def _worse_than_notes(report: FileReport) -> dict[Code, int]:
    return {code: found.count for code, found in report.findings.items() if MEANINGS[code].severity > Severity.NOTE}
