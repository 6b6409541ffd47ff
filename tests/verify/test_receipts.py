"""Receipt codes of real tills."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse.logmessage import LogMessage
from gateway.verify.files import Options, verify_file
from gateway.verify.findings import Code, MessageCounts
from gateway.verify.receipt import ReceiptCode
from tests.tse.samples import vectors
from tests.verify.conftest import Check
from tests.verify.exports import CLIENT, NOW, Authority, Tse

REAL = {vector["id"]: vector for vector in vectors() if vector["id"].startswith("qr-")}
ANNEX = REAL["qr-dsfinvk-annex-AMA-2642"]["qr"]  # the example of the official document


@pytest.mark.parametrize("vector", REAL.values(), ids=list(REAL))
def test_a_real_receipt_gives_its_known_verdict(vector: dict[str, Any]) -> None:
    valid = int(vector["signatureValid"])
    report = verify_file(vector["qr"])
    assert report.counts == MessageCounts(1, valid, 1 - valid, 0)
    assert report.findings.count(Code.SIGNATURE_INVALID) == 1 - valid


def test_the_message_is_built_again_byte_for_byte() -> None:
    for vector in REAL.values():
        message, newer = ReceiptCode.decode(vector["qr"]).messages
        assert (message.version, newer.version) == (2, 3)
        assert message.signed_bytes.hex() == vector["signedBytesHex"]


def test_a_file_of_receipts_is_checked_line_by_line(check: Check) -> None:
    lines = [f"{vector['qr']}\tsomewhere" for vector in REAL.values()]
    report = check("\ufeff".encode() + "\r\n".join(["code\tsource", *lines, "", "V0;x"]).encode(), name="codes.tsv")
    valid = sum(vector["signatureValid"] for vector in REAL.values())
    assert report.counts == MessageCounts(len(REAL) + 1, valid, len(REAL) - valid, 1)
    ((wrong, found),) = [item for item in report.findings.items() if item[0] is Code.RECEIPT_UNREADABLE]
    assert (wrong, found.examples[0].place.en) == (Code.RECEIPT_UNREADABLE, f"line {len(REAL) + 3}")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (4, b"9" * 4301, "is no number"),
        (5, b"9" * 4301, "is no number"),
        (1, b"\xff", "not UTF-8"),
        (3, b"\xe4", "not UTF-8"),
        (6, b"\xff", "not UTF-8"),
        (7, b"0001-01-01T00:00:00+23:59", "is no time"),
        (7, b"9999-12-31T23:59:59-23:59", "is no time"),
        (9, b"x" * 5000, "is not known"),
        (11, b"\0", "is not base64"),
    ],
    ids=range(9),
)
def test_a_line_that_cannot_be_read_costs_no_other(check: Check, field: int, value: bytes, reason: str) -> None:
    fields = ANNEX.encode().split(b";")
    fields[field] = value
    report = check(b"\n".join([ANNEX.encode(), b";".join(fields), b"", ANNEX.encode()]), name="codes.csv")
    assert report.counts == MessageCounts(3, 2, 0, 1)
    ((code, found),) = report.findings.items()
    assert (code, found.examples[0].place) == (Code.RECEIPT_UNREADABLE, Text("line 2", "Zeile 2"))
    assert found.examples[0].detail.de != found.examples[0].detail.en
    assert reason in found.examples[0].detail.en
    assert len(found.examples[0].detail.en) < 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (1, "AMA-2643"),
        (2, "Kassenbeleg-V2"),
        (3, "Beleg^4.05_3.00_0.00_0.00_0.00^7.06:Bar"),
        (4, "14"),
        (5, "44132"),
        (7, "2019-11-22T11:29:50.000Z"),
        (8, "ecdsa-plain-SHA256"),
        (9, "utcTime"),
        (10, ANNEX.split(";")[10].replace("K8zs", "K9zs")),
        (11, REAL["qr-P915560150"]["qr"].split(";")[11]),
    ],
)
def test_a_changed_field_is_found(field: int, value: str) -> None:
    fields = ANNEX.split(";")
    assert verify_file(";".join([*fields[:field], value, *fields[field + 1 :]])).counts == MessageCounts(1, 0, 1, 0)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (4, "-1", "is no number"),
        (5, str(1 << 64), "is no number"),
        (6, "yesterday", "is no time"),
        (7, "2019-11-22T11:29:49", "no time zone"),
        (8, "ecsdsa-plain-MD5", "not supported"),
        (9, "sundial", "not known"),
        (10, "***", "not base64"),
        (11, "AAAA", "no point"),
        (11, base64.b64encode(b"\x04" + bytes(96)).decode(), "no point"),
        (11, "MAAA", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(field: int, value: str, reason: str) -> None:
    fields = ANNEX.split(";")
    fields[field] = value
    with pytest.raises(ProtocolError, match=reason):
        ReceiptCode.decode(";".join(fields))
    report = verify_file(";".join(fields))
    assert report.counts == MessageCounts(1, 0, 0, 1)
    assert report.findings.count(Code.RECEIPT_UNREADABLE) == 1


@given(st.text())
def test_any_text_is_either_understood_or_a_protocol_error(text: str) -> None:
    for code in (text, f"V0;{text}", ANNEX.replace("13", text)):
        try:
            ReceiptCode.decode(code).verify()
        except ProtocolError:
            continue


def test_deviating_forms_verify_and_are_noted() -> None:
    fields = ANNEX.split(";")
    signature, point = base64.b64decode(fields[10]), base64.b64decode(fields[11])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.BrainpoolP384R1(), point)
    r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for field, form in [
        (10, signature.hex()),
        (10, base64.b64encode(utils.encode_dss_signature(r, s)).decode()),
        (11, base64.b64encode(spki).decode()),
        (7, "2019-11-22T12:29:49+01:00"),
    ]:
        report = verify_file(";".join([*fields[:field], form, *fields[field + 1 :]]))
        assert report.counts == MessageCounts(1, 1, 0, 0)
        assert report.findings.count(Code.RECEIPT_FORM) == 1


def test_a_key_that_is_none_of_a_tse_is_told() -> None:
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ProtocolError, match="none of an elliptic curve"):
        ReceiptCode.decode(ANNEX.rpartition(";")[0] + ";" + base64.b64encode(spki).decode())


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1, ec.BrainpoolP256R1, ec.BrainpoolP512R1])
@pytest.mark.parametrize("form", ["unixTime", "utcTime", "generalizedTime", "generalizedTimeWithMilliseconds"])
def test_all_curves_and_time_formats_verify(curve: type[ec.EllipticCurve], form: str) -> None:
    key = ec.generate_private_key(curve())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    width = (key.curve.key_size + 7) // 8
    head = "V0;POS-1;Kassenbeleg-V1;Beleg;1;2;2026-05-21T21:40:56.000Z;2026-05-21T21:41:30.250Z;ecdsa-plain-SHA3-384"
    tail = base64.b64encode(point).decode()
    draft = ReceiptCode.decode(f"{head};{form};{base64.b64encode(bytes(2 * width)).decode()};{tail}")
    signed = draft.messages[-1].signed_bytes
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA3_384())))
    signature = base64.b64encode(r.to_bytes(width, "big") + s.to_bytes(width, "big")).decode()
    assert verify_file(f"{head};{form};{signature};{tail}").counts == MessageCounts(1, 1, 0, 0)


def test_the_chain_is_checked_when_the_certificate_is_known(tmp_path: Path) -> None:
    tse, stranger = Tse(), Authority.create("Other")
    tse.step(1)
    message = LogMessage.decode(tse.step(1, "Finish"))
    key = tse.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    fields = [
        *("V0", CLIENT.decode(), message.process_type, message.process_data.decode(), "1", "2"),
        *("2026-09-21T14:13:20.000Z", "2026-09-21T14:13:20.000Z", message.algorithm_name, "unixTime"),
        *(base64.b64encode(part).decode() for part in (message.signature, key)),
    ]
    assert message.log_time == NOW
    trusting = verify_file(";".join(fields), Options(tse.chain, (tse.issuer.root,)))
    assert (trusting.counts.valid, list(trusting.findings.items())) == (1, [])
    doubting = verify_file(";".join(fields), Options(tse.chain, (stranger.root,)))
    assert (doubting.counts.valid, doubting.findings.count(Code.CHAIN_BROKEN)) == (1, 1)
