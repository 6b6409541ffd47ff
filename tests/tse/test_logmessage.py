import contextlib
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.tse.certificates import serial_of
from gateway.tse.der import MAX_INTEGER, element, integer_element
from gateway.tse.logmessage import (
    LogMessage,
    LogType,
    UnsignedMessage,
    verify,
)
from gateway.tse.signatures import ECDSA_SHA384, plain_signature
from tests.tse.samples import CURVES, SAMPLES, key_of_vector, vectors

TYPES = {"transaction-log": LogType.TRANSACTION, "system-log": LogType.SYSTEM, "audit-log": LogType.AUDIT}
readable = [vector for vector in vectors() if "parsed" in vector]

SERIAL = bytes(range(32))
TRANSACTION = bytes.fromhex("020102 060904007f000703070101")
SYSTEM = bytes.fromhex("020102 060904007f000703070102")
AUDIT = bytes.fromhex("020102 060904007f000703070103")
CERTIFIED = element(0x80, b"StartTransaction") + element(0x81, b"POS-1") + element(0x82, b"") + element(0x85, b"\1")
ALGORITHM = element(0x30, element(0x06, ECDSA_SHA384))
TAIL = ALGORITHM + element(0x02, b"\7") + element(0x02, b"\x65\x53\xf1\x00") + element(0x04, bytes(96))


def message(*parts: bytes) -> bytes:
    return element(0x30, b"".join(parts))


def test_there_are_57_vectors_and_each_has_its_verdict() -> None:
    assert len(vectors()) == 57
    assert len(readable) == 56


@pytest.mark.parametrize("vector", readable, ids=lambda vector: vector["id"])
def test_known_messages_are_understood(vector: dict[str, Any]) -> None:
    known = vector["parsed"]
    read = LogMessage.decode(bytes.fromhex(vector["logMessageHex"]))
    assert read.version == known["version"]
    assert read.log_type is TYPES[known["certifiedDataType"]]
    assert read.operation == known.get("operationType", "")
    assert read.client_id == known.get("clientId", "")
    assert read.process_type == known.get("processType", "")
    assert read.process_data.hex() == known.get("processDataHex", "")
    assert read.transaction_number == known.get("transactionNumber")
    assert read.system_data.hex() == known.get("systemOperationDataHex", "")
    assert read.audit_data.hex() == known.get("seAuditDataHex", "")
    assert read.serial.hex() == known["serialNumberHex"]
    assert read.algorithm_name == known["sigAlg"]
    assert read.signature_counter == known["signatureCounter"]
    assert read.time_format == known["logTimeFormat"]
    assert read.time_text == str(known["logTime"])
    assert read.signature.hex() == known["signatureHex"]
    assert read.signed_bytes.hex() == vector["signedBytesHex"]
    assert hashlib.new(vector["hash"], read.signed_bytes).hexdigest() == vector["digestHex"]
    assert len(read.deviations) == len(known.get("parserNotes", ()))
    assert read.file_name == vector.get("tarEntryName", read.file_name)


@pytest.mark.parametrize("vector", readable, ids=lambda vector: vector["id"])
def test_known_messages_get_the_right_verdict(vector: dict[str, Any]) -> None:
    read, key = LogMessage.decode(bytes.fromhex(vector["logMessageHex"])), key_of_vector(vector)
    assert verify(read, key) is vector["signatureValid"]
    assert (serial_of(key) == read.serial) is vector["serialMatchesKey"]


@pytest.mark.parametrize(
    ("name", "deviations"),
    [
        ("edge-outer-length-nonminimal", ("length at 0 is longer than it must be",)),
        ("edge-trailing-garbage", ("1 bytes behind the message",)),
        ("edge-s-malleable", ()),
        ("neg-integer-without-leading-zero", ("negative INTEGER at 155",)),
        ("d-trust-FinishTransaction-unixTime-indef-ext", ("process data of indefinite length at 46",)),
        ("swissbit-start-917", ()),
    ],
)
def test_deviations_are_named(name: str, deviations: tuple[str, ...]) -> None:
    (vector,) = (vector for vector in vectors() if vector["id"] == name)
    read = LogMessage.decode(bytes.fromhex(vector["logMessageHex"]))
    assert tuple(map(str, read.deviations)) == deviations


def test_a_truncated_message_is_no_message() -> None:
    (vector,) = (vector for vector in vectors() if "parseError" in vector)
    with pytest.raises(ProtocolError, match="claims 205 bytes, 204 are there"):
        LogMessage.decode(bytes.fromhex(vector["logMessageHex"]))


@given(st.sampled_from(vectors()), st.data())
def test_a_damaged_message_is_either_read_or_a_protocol_error(vector: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray.fromhex(vector["logMessageHex"])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(raw), key_of_vector(vector))


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_a_protocol_error(raw: bytes) -> None:
    _read_or_refuse(raw, _KEYS["secp256r1"].public_key())
    _read_or_refuse(message(TRANSACTION, raw, TAIL), _KEYS["secp256r1"].public_key())
    _read_or_refuse(message(AUDIT, raw, TAIL), _KEYS["secp256r1"].public_key())


def _read_or_refuse(raw: bytes, key: ec.EllipticCurvePublicKey) -> None:
    with contextlib.suppress(ProtocolError):
        read = LogMessage.decode(raw)
        assert read.signed_bytes in raw
        assert read.file_name.endswith(".log")
        verify(read, key)


def test_pieces_within_pieces_are_refused_and_not_followed_into_the_depth() -> None:
    nested = b"\xa2\x80" * 100_000
    with pytest.raises(ProtocolError, match="OCTET STRINGs only"):
        LogMessage.decode(message(TRANSACTION, CERTIFIED[:25], nested))


_WHOLE = element(0x04, SERIAL) + TAIL
REFUSED: dict[str, tuple[bytes, str]] = {
    "no sequence": (b"\x31\x00", "0x30 expected"),
    "nothing": (b"", "ends within an element"),
    "too few": (message(AUDIT, element(4, SERIAL)), "at least 7 elements"),
    "version": (message(b"\2\1\4", TRANSACTION[3:], CERTIFIED, _WHOLE), "version 4 is not known"),
    "type": (message(TRANSACTION[:-1], b"\4", CERTIFIED, _WHOLE), "log type .* is not known"),
    "other type": (message(b"\2\1\2\6\1\1", CERTIFIED, _WHOLE), "log type 01 is not known"),
    "no client": (message(TRANSACTION, element(0x80, b"x"), element(0x85, b"\1"), _WHOLE), r"data \[0, 5\]"),
    "no operation": (message(SYSTEM, element(0x81, b""), _WHOLE), r"system log with certified data \[1\]"),
    "audit": (message(AUDIT, element(0x80, b""), _WHOLE), r"audit log with certified data \[0\]"),
    "twice": (message(TRANSACTION, CERTIFIED, element(0x85, b"\2"), _WHOLE), "not in their order"),
    "elsewhere": (message(TRANSACTION, CERTIFIED, element(4, SERIAL), element(0x86, b""), TAIL), "6 elements behind"),
    "system with audit data": (message(SYSTEM, CERTIFIED[:18], _WHOLE, element(4, b"")), "6 elements behind"),
    "serial": (message(TRANSACTION, CERTIFIED, element(2, b"\1"), TAIL), "serial number with tag 0x02"),
    "no algorithm": (message(TRANSACTION, CERTIFIED, _WHOLE.replace(ALGORITHM, element(0x30, b""))), "without OID"),
    "empty integer": (message(TRANSACTION, CERTIFIED, _WHOLE.replace(b"\2\1\7", b"\2\0")), "INTEGER of 0 bytes"),
    "long integer": (
        message(TRANSACTION, CERTIFIED, _WHOLE.replace(b"\2\1\7", element(2, bytes(MAX_INTEGER + 1)))),
        "INTEGER of 10 bytes",
    ),
    "time": (message(TRANSACTION, CERTIFIED, _WHOLE.replace(b"\2\4eS", b"\x13\4eS")), "log time with tag 0x13"),
    "long tag": (message(TRANSACTION, CERTIFIED, b"\x9f\x21\0", _WHOLE), "tag of several bytes"),
    "length of lengths": (b"\x30\x89" + bytes(100), "within a length"),
    "cut length": (b"\x30\x84\0\0", "within a length"),
    "beyond": (b"\x30\x05" + TRANSACTION + bytes(50), "reaches beyond its message"),
    "indefinite": (b"\x30\x80\0\0", "indefinite length at 0"),
    "indefinite elsewhere": (message(TRANSACTION, b"\xa1\x80\0\0", _WHOLE), "allowed in process data only"),
    "other pieces": (message(TRANSACTION, CERTIFIED[:25], b"\xa2\x80\2\1\1\0\0", _WHOLE), "OCTET STRINGs only"),
    "endless": (message(TRANSACTION, b"\xa2\x80"), "OCTET STRINGs only"),
    "constructed of others": (
        message(TRANSACTION, CERTIFIED[:25], b"\xa2\3\2\1\1", element(0x85, b"\1"), _WHOLE),
        "a piece of process data with tag 0x02",
    ),
}


@pytest.mark.parametrize(("raw", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_is_told_so(raw: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        LogMessage.decode(raw)


def test_lengths_and_integers_longer_than_they_must_be_are_read_and_named() -> None:
    read = LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE.replace(b"\2\1\7", b"\2\x81\2\0\7")))
    assert read.signature_counter == 7
    assert [deviation.en.split(" at ")[0] for deviation in read.deviations] == ["length", "INTEGER"]


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_process_data_in_pieces_are_put_together_but_signed_as_stored(pieces: list[bytes]) -> None:
    stored = b"\xa2\x80" + b"".join(element(0x04, piece) for piece in pieces) + b"\0\0"
    raw = message(TRANSACTION, CERTIFIED[:25], stored, element(0x85, b"\1"), _WHOLE)
    read = LogMessage.decode(raw)
    assert read.process_data == b"".join(pieces)
    assert read.signed_bytes.count(stored) == 1
    assert raw.endswith(read.signed_bytes + element(0x04, read.signature))


@pytest.mark.parametrize(
    ("version", "certified", "operation", "data"),
    [
        (2, element(0x80, b"UpdateTime") + element(0x81, b"\1\2"), "UpdateTime", b"\1\2"),
        (2, element(0x80, b"Initialize"), "Initialize", b""),
        (3, element(0x80, b"updateTime") + element(0x82, b"me") + element(0xA3, b"\2\1\5"), "updateTime", b"\2\1\5"),
        (3, element(0x80, b"initialize") + element(0x81, b"origin"), "initialize", b""),
    ],
)
def test_system_logs_of_both_versions(version: int, certified: bytes, operation: str, data: bytes) -> None:
    read = LogMessage.decode(message(element(2, bytes([version])), SYSTEM[3:], certified, _WHOLE))
    assert (read.version, read.operation, read.system_data) == (version, operation, data)
    assert read.file_name == f"Unixt_1700000000_Sig-7_Log-Sys_{operation}.log"
    assert read.deviations == ()


def test_a_transaction_of_version_3_has_the_same_name_as_one_of_version_2() -> None:
    certified = CERTIFIED.replace(b"StartTransaction", b"startTransaction")
    read = LogMessage.decode(message(element(2, b"\3"), TRANSACTION[3:], certified, _WHOLE))
    assert read.file_name == "Unixt_1700000000_Sig-7_Log-Tra_No-1_Start_Client-POS-1.log"


def test_an_audit_log_may_come_with_or_without_data() -> None:
    bare = LogMessage.decode(message(AUDIT, _WHOLE))
    full = LogMessage.decode(message(AUDIT, element(4, SERIAL), ALGORITHM, element(4, b"why"), TAIL[len(ALGORITHM) :]))
    assert (bare.audit_data, full.audit_data) == (b"", b"why")
    assert bare.file_name == full.file_name == "Unixt_1700000000_Sig-7_Log-Aud.log"


@pytest.mark.parametrize(
    ("tag", "text", "unix_time", "prefix"),
    [
        (0x17, "191220132306Z", 1576848186, "Utc"),
        (0x18, "20231114221320Z", 1700000000, "Gent"),
        (0x18, "20231114221320.125Z", 1700000000, "Gent"),
    ],
)
def test_times_as_text_stay_in_the_name_as_they_are(tag: int, text: str, unix_time: int, prefix: str) -> None:
    stored = element(tag, text.encode())
    read = LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE.replace(element(2, b"\x65\x53\xf1\0"), stored)))
    assert read.log_time == unix_time
    assert read.file_name.startswith(f"{prefix}_{text}_Sig-7_")


@pytest.mark.parametrize(
    ("tag", "text"),
    [(0x17, "1912201323Z"), (0x17, "191320132306Z"), (0x18, "20231114221320"), (0x18, "2023111422132.Z"), (0x17, "")],
)
def test_times_that_are_none_are_refused(tag: int, text: str) -> None:
    stored = element(tag, text.encode())
    with pytest.raises(ProtocolError, match="cannot be read"):
        LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE.replace(element(2, b"\x65\x53\xf1\0"), stored)))


def test_a_time_beyond_the_calendar_is_still_a_number() -> None:
    late = integer_element(2**62)
    read = LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE.replace(element(2, b"\x65\x53\xf1\0"), late)))
    assert read.file_name.startswith(f"Unixt_{2**62}_Sig-7_")


def test_names_with_a_file_counter_are_right_names_too() -> None:
    read = LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE))
    assert read.is_named("Unixt_1700000000_Sig-7_Log-Tra_No-1_Start_Client-POS-1.log")
    assert read.is_named("Unixt_1700000000_Sig-7_Log-Tra_No-1_Start_Client-POS-1_Fc-12.log")
    assert not read.is_named("Unixt_1700000000_Sig-8_Log-Tra_No-1_Start_Client-POS-1.log")
    counter_like = CERTIFIED.replace(element(0x81, b"POS-1"), element(0x81, b"A_Fc-1"))
    assert LogMessage.decode(message(TRANSACTION, counter_like, _WHOLE)).is_named(
        "Unixt_1700000000_Sig-7_Log-Tra_No-1_Start_Client-A_Fc-1.log"
    )


_KEYS = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
_HASHES: dict[int, hashes.HashAlgorithm] = {
    2: hashes.SHA224(),
    3: hashes.SHA256(),
    4: hashes.SHA384(),
    5: hashes.SHA512(),
    8: hashes.SHA3_224(),
    9: hashes.SHA3_256(),
    10: hashes.SHA3_384(),
    11: hashes.SHA3_512(),
}


@pytest.mark.parametrize("number", _HASHES)
@pytest.mark.parametrize("curve", CURVES)
def test_every_curve_and_hash_verifies_and_only_what_was_signed(curve: str, number: int) -> None:
    key = _KEYS[curve]
    width = (key.key_size + 7) // 8
    signed = TRANSACTION + CERTIFIED + _WHOLE.replace(ECDSA_SHA384, ECDSA_SHA384[:-1] + bytes([number]))
    signed = signed.removesuffix(element(0x04, bytes(96)))
    signature = plain_signature(key.sign(signed, ec.ECDSA(_HASHES[number])), width)
    assert verify(LogMessage.decode(message(signed, element(4, signature))), key.public_key())
    for wrong in (signature[:-1], signature + b"\0", signature[:-1] + bytes([signature[-1] ^ 1]), bytes(2 * width)):
        assert not verify(LogMessage.decode(message(signed, element(4, wrong))), key.public_key())
    changed = signed.replace(b"POS-1", b"POS-2")
    assert not verify(LogMessage.decode(message(changed, element(4, signature))), key.public_key())


@pytest.mark.parametrize("curve", ["secp256r1", "brainpoolP384r1", "secp521r1"])
@pytest.mark.parametrize("half", [0, 1])
def test_numbers_from_the_group_order_on_are_no_signature(curve: str, half: int) -> None:
    key = _KEYS[curve]
    width = (key.key_size + 7) // 8
    signed = (TRANSACTION + CERTIFIED + _WHOLE).removesuffix(element(0x04, bytes(96)))
    numbers = plain_signature(key.sign(signed, ec.ECDSA(hashes.SHA384())), width)
    halves = [numbers[:width], numbers[width:]]
    for wrong in (key.curve.group_order, 2 ** (8 * width) - 1, 0):
        halves[half] = wrong.to_bytes(width, "big")
        assert not verify(LogMessage.decode(message(signed, element(4, b"".join(halves)))), key.public_key())


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        (ECDSA_SHA384[:-1] + b"\x07", "04007f00070101040107"),
        (bytes.fromhex("04007f00070101040409"), "04007f00070101040409"),
        (b"\x01", "01"),
    ],
)
def test_an_algorithm_that_is_not_there_is_named(oid: bytes, name: str) -> None:
    algorithm = element(0x30, element(6, oid))
    read = LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE.replace(ALGORITHM, algorithm)))
    assert read.algorithm_name == name
    with pytest.raises(ProtocolError, match=f"{name} is not supported"):
        verify(read, _KEYS["secp384r1"].public_key())


printable = st.text("ABCxyz 019-_", max_size=30)
u64 = st.integers(0, 2**64 - 1)


@given(printable, st.binary(max_size=2000), printable, u64, u64, u64)
def test_a_drafted_transaction_is_read_back_and_verifies(
    client: str, data: bytes, kind: str, number: int, counter: int, unix_time: int
) -> None:
    key = _KEYS["brainpoolP384r1"]
    draft = UnsignedMessage.transaction(
        operation="FinishTransaction",
        client_id=client.encode(),
        process_data=data,
        process_type=kind.encode(),
        number=number,
        serial=serial_of(key.public_key()),
        counter=counter,
        log_time=integer_element(unix_time),
    )
    raw = draft.sealed(plain_signature(key.sign(draft.to_be_signed, ec.ECDSA(hashes.SHA384())), 48))
    read = LogMessage.decode(raw)
    assert (read.client_id, read.process_data, read.process_type) == (client, data, kind)
    assert (read.transaction_number, read.signature_counter, read.log_time) == (number, counter, unix_time)
    assert read.deviations == ()
    assert read.signed_bytes == draft.to_be_signed
    assert verify(read, key.public_key())


@given(st.text("abcXYZ", min_size=1, max_size=20), st.binary(max_size=300), u64, u64)
def test_a_drafted_system_log_is_read_back(operation: str, data: bytes, counter: int, unix_time: int) -> None:
    draft = UnsignedMessage.system(
        operation=operation, data=data, serial=SERIAL, counter=counter, log_time=integer_element(unix_time)
    )
    read = LogMessage.decode(draft.sealed(bytes(96)))
    assert (read.log_type, read.operation, read.system_data) == (LogType.SYSTEM, operation, data)
    assert (read.serial, read.signature_counter, read.log_time) == (SERIAL, counter, unix_time)
    assert read.deviations == ()


def test_a_draft_of_the_vendors_message_is_that_message() -> None:
    raw = (SAMPLES / "Sig-918_FinishTransaction.log").read_bytes()
    read = LogMessage.decode(raw)
    assert read.transaction_number is not None
    draft = UnsignedMessage.transaction(
        operation=read.operation,
        client_id=read.client_id.encode(),
        process_data=read.process_data,
        process_type=read.process_type.encode(),
        number=read.transaction_number,
        serial=read.serial,
        counter=read.signature_counter,
        log_time=integer_element(read.log_time),
    )
    assert draft.sealed(read.signature) == raw


def test_messages_of_version_3_are_built_as_they_are_read_and_verify() -> None:
    key = ec.generate_private_key(ec.BrainpoolP384R1())
    serial, width = serial_of(key.public_key()), 48
    common: dict[str, Any] = {"serial": serial, "counter": 7, "log_time": integer_element(1_795_921_300)}
    start = UnsignedMessage.transaction(
        operation="startTransaction",
        client_id=b"POS-1",
        process_data=b"",
        process_type=b"",
        number=3,
        **common,
        version=3,
    )
    data = element(0x13, b"admin")
    event = UnsignedMessage.event(operation="logOut", origin="CSP", user="admin", data=data, **common)
    for unsigned, name in ((start, "Tra_No-3_Start_Client-POS-1"), (event, "Sys_logOut")):
        signature = plain_signature(key.sign(unsigned.to_be_signed, ec.ECDSA(hashes.SHA384())), width)
        read = LogMessage.decode(unsigned.sealed(signature))
        assert (read.version, read.serial, read.signature_counter, read.deviations) == (3, serial, 7, ())
        assert read.file_name == f"Unixt_1795921300_Sig-7_Log-{name}.log"
        assert verify(read, key.public_key())
    assert LogMessage.decode(event.sealed(bytes(96))).system_data == data


@pytest.mark.parametrize(
    "algorithm", [element(0x30, element(0x06, b"")), element(0x30, element(0x04, ECDSA_SHA384)), element(0x30, b"")]
)
def test_a_message_names_its_algorithm_by_an_oid(algorithm: bytes) -> None:
    with pytest.raises(ProtocolError, match="signature algorithm without OID"):
        LogMessage.decode(message(TRANSACTION, CERTIFIED, _WHOLE.replace(ALGORITHM, algorithm)))


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(("tag", "text"), [(0x17, b"231114221320Z"), (0x18, b"20231114221320Z")])
def test_times_of_messages_are_those_of_greenwich_wherever_the_gateway_runs(tag: int, text: bytes) -> None:
    tail = _WHOLE.replace(element(0x02, b"\x65\x53\xf1\x00"), element(tag, text))
    assert LogMessage.decode(message(TRANSACTION, CERTIFIED, tail)).log_time == 1_700_000_000


@pytest.mark.parametrize(("user", "there"), [("admin", True), ("", False)])
def test_an_event_names_who_triggered_it_if_anybody_did(user: str, there: bool) -> None:
    event = UnsignedMessage.event(
        operation="logIn", origin="x", user=user, data=b"\5\0", serial=SERIAL, counter=1, log_time=integer_element(1)
    )
    assert (element(0x82, user.encode()) in event.to_be_signed) is there
    read = LogMessage.decode(event.sealed(bytes(96)))
    assert (read.process_data, read.process_type, read.system_data, read.deviations) == (b"", "", b"\5\0", ())
