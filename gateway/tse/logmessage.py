"""Log messages of a TSE (BSI TR-03151, log version 2): build, understand, verify.

    SEQUENCE { 2, type OID, certified data [0].., serial, { algorithm OID },
               (audit data,) signature counter, log time, signature r||s }

The certified data are context-tagged and not wrapped:
    transaction  80 operation 81 client 82 process data 83 process type [84] 85 number [86]
    system       80 operation 81 operation data [82]
    audit        none; an OCTET STRING stands between algorithm and counter

Signed are the complete elements (tag, length, value, as stored) of everything inside the
outer SEQUENCE except the signature. Real devices write process data with indefinite
length now and then, so this module walks the elements itself: only so the signed bytes
stay the stored ones.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import ProtocolError

_LOG_OID = bytes.fromhex("04007f0007030701")  # 0.4.0.127.0.7.3.7.1
_ECDSA_OID = bytes.fromhex("04007f000701010401")  # 0.4.0.127.0.7.1.1.4.1
_ECSDSA_OID = bytes.fromhex("04007f000701010404")  # 0.4.0.127.0.7.1.1.4.4

_HASHES: dict[int, tuple[str, Callable[[], hashes.HashAlgorithm]]] = {
    2: ("SHA224", hashes.SHA224),
    3: ("SHA256", hashes.SHA256),
    4: ("SHA384", hashes.SHA384),
    5: ("SHA512", hashes.SHA512),
    8: ("SHA3-224", hashes.SHA3_224),
    9: ("SHA3-256", hashes.SHA3_256),
    10: ("SHA3-384", hashes.SHA3_384),
    11: ("SHA3-512", hashes.SHA3_512),
}
ECDSA_SHA384 = _ECDSA_OID + b"\x04"

_SEQUENCE, _INTEGER, _OCTETS, _OID = 0x30, 0x02, 0x04, 0x06
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_TIME_FORMATS = {_INTEGER: "unixTime", _UTC_TIME: "utcTime", _GENERALIZED_TIME: "generalizedTime"}
_PROCESS_DATA_CONSTRUCTED = 0xA2


class LogType(StrEnum):
    """Kind of a log message; the last byte of its OID is the position here, from 1."""

    TRANSACTION = "transaction"
    SYSTEM = "system"
    AUDIT = "audit"


_TYPES = dict(enumerate(LogType, start=1))


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One log message, as understood. `log_time` in Unix seconds, `signature` as r||s.

    `deviations` names what is not strict DER though it could be read; an empty tuple
    means that the message is well-formed in every byte.
    """

    log_type: LogType
    operation: str
    client_id: str
    process_data: bytes
    process_type: str
    transaction_number: int | None
    system_data: bytes
    audit_data: bytes
    serial: bytes
    algorithm: bytes
    signature_counter: int
    log_time: int
    time_format: str
    signature: bytes
    signed_bytes: bytes
    version: int = 2
    deviations: tuple[str, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> "LogMessage":
        """Understand the bytes of one log message.

        Raises:
            ProtocolError: truncated, or not of the form above.
        """
        deviations: list[str] = []
        outer = _read(data, 0, deviations)
        if outer.tag != _SEQUENCE:
            raise ProtocolError("a log message is a SEQUENCE")
        if outer.end != len(data):
            deviations.append(f"{len(data) - outer.end} bytes behind the message")
        elements = list(_walk(data, outer.start, outer.end, deviations))
        if len(elements) < 7:
            raise ProtocolError("a log message has at least seven elements")
        version = _integer(_expect(elements[0], _INTEGER, "version"), deviations)
        if version not in (2, 3):
            raise ProtocolError(f"log version {version} is not known")
        log_type = _log_type(elements[1])
        context = [item for item in elements[2:] if item.tag & 0xC0 == 0x80]
        rest = elements[2 + len(context) :]
        if elements[2 : 2 + len(context)] != context:
            raise ProtocolError("certified data are not in one place")
        audit = b""
        if log_type is LogType.AUDIT and len(rest) == 6:
            audit = _expect(rest.pop(2), _OCTETS, "audit data").value
        if len(rest) != 5:
            raise ProtocolError(f"{len(rest)} elements behind the certified data, 5 expected")
        serial, algorithm, counter, time, signature = rest
        if time.tag not in _TIME_FORMATS:
            raise ProtocolError(f"log time with tag 0x{time.tag:02x}")
        tagged = {item.tag & 0x1F: item for item in context}
        is_transaction = log_type is LogType.TRANSACTION
        return cls(
            log_type=log_type,
            operation=_text(tagged.get(0)),
            client_id=_text(tagged.get(1)) if is_transaction else "",
            process_data=_octets(tagged.get(2), deviations) if is_transaction else b"",
            process_type=_text(tagged.get(3)) if is_transaction else "",
            transaction_number=_transaction_number(tagged, deviations) if is_transaction else None,
            system_data=_octets(tagged.get(1), deviations) if log_type is LogType.SYSTEM else b"",
            audit_data=audit,
            serial=_expect(serial, _OCTETS, "serial number").value,
            algorithm=_algorithm(algorithm, deviations),
            signature_counter=_integer(_expect(counter, _INTEGER, "signature counter"), deviations),
            log_time=_unix_time(time, deviations),
            time_format=_TIME_FORMATS[time.tag],
            signature=_expect(signature, _OCTETS, "signature").value,
            signed_bytes=data[outer.start : signature.at],
            version=version,
            deviations=tuple(deviations),
        )

    @property
    def algorithm_name(self) -> str:
        """For example `ecdsa-plain-SHA384`; the OID's bytes in hex when nobody knows it."""
        family, number = self.algorithm[:-1], self.algorithm[-1]
        if family == _ECDSA_OID and number in _HASHES:
            return f"ecdsa-plain-{_HASHES[number][0]}"
        if family == _ECSDSA_OID:
            return f"ecsdsa-{number}"
        return self.algorithm.hex()

    @property
    def file_name(self) -> str:
        """Name of the message in an export (BSI TR-03151, TAR naming)."""
        prefix = {"unixTime": "Unixt", "utcTime": "Utc", "generalizedTime": "Gent"}[self.time_format]
        time = {
            "unixTime": str(self.log_time),
            "utcTime": datetime.fromtimestamp(self.log_time, UTC).strftime("%y%m%d%H%M%SZ"),
            "generalizedTime": datetime.fromtimestamp(self.log_time, UTC).strftime("%Y%m%d%H%M%SZ"),
        }[self.time_format]
        stem = f"{prefix}_{time}_Sig-{self.signature_counter}_Log-"
        if self.log_type is LogType.TRANSACTION:
            step = self.operation.removesuffix("Transaction").capitalize()
            return f"{stem}Tra_No-{self.transaction_number}_{step}_Client-{self.client_id}.log"
        return f"{stem}Sys_{self.operation}.log" if self.log_type is LogType.SYSTEM else f"{stem}Aud.log"


def verify(message: LogMessage, key: ec.EllipticCurvePublicKey) -> bool:
    """Does the signature fit the stored bytes under `key` (any named curve)?

    Raises:
        ProtocolError: the message names an algorithm that this verifier does not have.
    """
    family, number = message.algorithm[:-1], message.algorithm[-1]
    if family != _ECDSA_OID or number not in _HASHES:
        raise ProtocolError(f"signature algorithm {message.algorithm_name} is not supported")
    width = (key.curve.key_size + 7) // 8
    if len(message.signature) != 2 * width:
        return False
    r, s = int.from_bytes(message.signature[:width], "big"), int.from_bytes(message.signature[width:], "big")
    if r == 0 or s == 0:
        return False
    try:
        signature = utils.encode_dss_signature(r, s)
        key.verify(signature, message.signed_bytes, ec.ECDSA(_HASHES[number][1]()))
    except InvalidSignature:
        return False
    return True


def plain_signature(der: bytes, width: int) -> bytes:
    """r||s, each padded to `width` bytes, from a DER signature."""
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def serial_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Serial number of a TSE: SHA-256 of its uncompressed public point (BSI TR-03153)."""
    return hashlib.sha256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).digest()


@dataclass(frozen=True, slots=True)
class Draft:
    """A log message before it is signed: `to_be_signed`, then `sealed` with the signature."""

    to_be_signed: bytes

    @classmethod
    def transaction(
        cls,
        *,
        operation: str,
        client_id: bytes,
        process_data: bytes,
        process_type: bytes,
        number: int,
        serial: bytes,
        counter: int,
        unix_time: int,
    ) -> "Draft":
        """One step of a transaction; empty data and type are present with length zero."""
        certified = (
            element(0x80, operation.encode("ascii"))
            + element(0x81, client_id)
            + element(0x82, process_data)
            + element(0x83, process_type)
            + element(0x85, integer_content(number))
        )
        return cls._around(LogType.TRANSACTION, certified, serial, counter, unix_time)

    @classmethod
    def system(cls, *, operation: str, data: bytes, serial: bytes, counter: int, unix_time: int) -> "Draft":
        """A system log; `data` is a series of elements, present with length zero when empty."""
        certified = element(0x80, operation.encode("ascii")) + element(0x81, data)
        return cls._around(LogType.SYSTEM, certified, serial, counter, unix_time)

    @classmethod
    def _around(cls, kind: LogType, certified: bytes, serial: bytes, counter: int, unix_time: int) -> "Draft":
        number = next(number for number, known in _TYPES.items() if known is kind)
        return cls(
            element(_INTEGER, b"\x02")
            + element(_OID, _LOG_OID + bytes([number]))
            + certified
            + element(_OCTETS, serial)
            + element(_SEQUENCE, element(_OID, ECDSA_SHA384))
            + element(_INTEGER, integer_content(counter))
            + element(_INTEGER, integer_content(unix_time))
        )

    def sealed(self, signature: bytes) -> bytes:
        """The complete message with `signature` as r||s."""
        return element(_SEQUENCE, self.to_be_signed + element(_OCTETS, signature))


def element(tag: int, value: bytes) -> bytes:
    """One DER element."""
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + value


def integer_content(value: int) -> bytes:
    """Content bytes of a non-negative DER INTEGER: minimal, with a sign bit of zero."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    at: int
    start: int
    end: int
    value: bytes
    next: int


def _read(data: bytes, at: int, deviations: list[str]) -> _Element:
    if at + 2 > len(data):
        raise ProtocolError("the message ends within an element")
    tag, first, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ProtocolError("a tag of several bytes")
    if first == 0x80:
        return _read_indefinite(data, at, deviations)
    length = first
    if first > 0x80:
        size = first & 0x7F
        start += size
        if start > len(data) or size > 8:
            raise ProtocolError("the message ends within a length")
        length = int.from_bytes(data[at + 2 : start], "big")
        if length < 0x80 or data[at + 2] == 0:
            deviations.append(f"length at {at} is longer than it must be")
    end = start + length
    if end > len(data):
        raise ProtocolError(f"element at {at} claims {length} bytes, {len(data) - start} are there")
    return _Element(tag, at, start, end, data[start:end], end)


def _read_indefinite(data: bytes, at: int, deviations: list[str]) -> _Element:
    if data[at] != _PROCESS_DATA_CONSTRUCTED:
        raise ProtocolError(f"indefinite length at {at}, allowed in process data only")
    end = at + 2
    while data[end : end + 2] != b"\0\0":
        piece = _read(data, end, deviations)
        if piece.tag != _OCTETS:
            raise ProtocolError("process data of indefinite length hold OCTET STRINGs only")
        end = piece.next
    return _Element(data[at], at, at + 2, end, data[at + 2 : end], end + 2)


def _walk(data: bytes, at: int, end: int, deviations: list[str]) -> Iterator[_Element]:
    while at < end:
        item = _read(data, at, deviations)
        if item.next > end:
            raise ProtocolError("an element reaches beyond its message")
        yield item
        at = item.next


def _expect(item: _Element, tag: int, what: str) -> _Element:
    if item.tag != tag:
        raise ProtocolError(f"{what} with tag 0x{item.tag:02x}, 0x{tag:02x} expected")
    return item


def _integer(item: _Element, deviations: list[str]) -> int:
    if not item.value:
        raise ProtocolError("an INTEGER without content")
    if item.value[0] & 0x80:
        deviations.append(f"negative INTEGER at {item.at}")
    elif len(item.value) > 1 and item.value[0] == 0 and not item.value[1] & 0x80:
        deviations.append(f"INTEGER at {item.at} is longer than it must be")
    return int.from_bytes(item.value, "big", signed=True)


def _log_type(item: _Element) -> LogType:
    oid = _expect(item, _OID, "log type").value
    if oid[:-1] != _LOG_OID or oid[-1] not in _TYPES:
        raise ProtocolError(f"log type {oid.hex()} is not known")
    return _TYPES[oid[-1]]


def _algorithm(item: _Element, deviations: list[str]) -> bytes:
    inner = list(_walk(_expect(item, _SEQUENCE, "signature algorithm").value, 0, len(item.value), deviations))
    if not inner or inner[0].tag != _OID or not inner[0].value:
        raise ProtocolError("signature algorithm without OID")
    return inner[0].value


def _transaction_number(tagged: dict[int, _Element], deviations: list[str]) -> int | None:
    return _integer(tagged[5], deviations) if 5 in tagged else None


def _text(item: _Element | None) -> str:
    return item.value.decode("utf-8", "backslashreplace") if item is not None else ""


def _octets(item: _Element | None, deviations: list[str]) -> bytes:
    if item is None:
        return b""
    if item.tag != _PROCESS_DATA_CONSTRUCTED:
        return item.value
    return b"".join(piece.value for piece in _walk(item.value, 0, len(item.value), deviations))


def _unix_time(item: _Element, deviations: list[str]) -> int:
    if item.tag == _INTEGER:
        return _integer(item, deviations)
    text = item.value.decode("ascii", "replace")
    form = "%y%m%d%H%M%SZ" if item.tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    if item.tag == _GENERALIZED_TIME and "." in text:
        text = text.split(".")[0] + "Z"
    try:
        return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ProtocolError(f"log time {text!r} cannot be read") from None
