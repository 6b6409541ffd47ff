"""Log messages of a TSE (BSI TR-03151): build (log version 2), understand (2 and 3), verify.

    SEQUENCE { 2, type OID, certified data [0].., serial, { algorithm OID },
               (audit data,) signature counter, log time, signature r||s }

The certified data are context-tagged and not wrapped:
    transaction  80 operation 81 client 82 process data 83 process type [84] 85 number [86]
    system       80 operation 81 operation data [82]
    audit        none; an OCTET STRING stands between algorithm and counter
Log version 3 differs in system logs only: 80 operation [81] [82] A3 operation data.

Signed are the complete elements (tag, length, value, as stored) of everything inside the
outer SEQUENCE except the signature. Real devices write process data with indefinite
length now and then, so this module walks the elements itself: only so the signed bytes
stay the stored ones.
"""

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import ProtocolError
from gateway.tse import der

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

_TIME_FORMATS = {der.INTEGER: "unixTime", der.UTC_TIME: "utcTime", der.GENERALIZED_TIME: "generalizedTime"}
_NAME_OF_TIME = {"unixTime": "Unixt", "utcTime": "Utc", "generalizedTime": "Gent"}
_UTC_TIME = re.compile(r"(\d{12})Z", re.ASCII)
_GENERALIZED_TIME = re.compile(r"(\d{14})(?:\.\d+)?Z", re.ASCII)
_FILE_COUNTER = re.compile(r"_Fc-\d+(?=\.log$)")


class LogType(StrEnum):
    """Kind of a log message; the last byte of its OID is the position here, from 1."""

    TRANSACTION = "transaction"
    SYSTEM = "system"
    AUDIT = "audit"


_TYPES = dict(enumerate(LogType, start=1))
_FEWEST_ELEMENTS = 7
# Numbers of the certified data without which a log says nothing: operation, client and transaction number.
_MANDATORY = {LogType.TRANSACTION: {0, 1, 5}, LogType.SYSTEM: {0}, LogType.AUDIT: set()}


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One log message, as understood. `log_time` in Unix seconds, `time_text` as stored, `signature` as r||s.

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
    time_text: str
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
        outer = der.read(data, 0, deviations)
        der.expect(outer, der.SEQUENCE, "a log message")
        if outer.end != len(data):
            deviations.append(f"{len(data) - outer.end} bytes behind the message")
        elements = list(der.walk(data, outer.start, outer.end, deviations))
        if len(elements) < _FEWEST_ELEMENTS:
            raise ProtocolError(f"a log message has at least {_FEWEST_ELEMENTS} elements")
        version = der.integer(der.expect(elements[0], der.INTEGER, "version"), deviations)
        if version not in (2, 3):
            raise ProtocolError(f"log version {version} is not known")
        log_type = _log_type(elements[1])
        certified = _certified(elements[2:], log_type)
        rest = elements[2 + len(certified) :]
        audit = b""
        if log_type is LogType.AUDIT and len(rest) == 6:
            audit = der.expect(rest.pop(2), der.OCTETS, "audit data").value
        if len(rest) != 5:
            raise ProtocolError(f"{len(rest)} elements behind the certified data, 5 expected")
        serial, algorithm, counter, time, signature = rest
        is_transaction = log_type is LogType.TRANSACTION
        system_data = certified.get(1 if version == 2 else 3) if log_type is LogType.SYSTEM else None
        return cls(
            log_type=log_type,
            operation=_text(certified.get(0)),
            client_id=_text(certified.get(1)) if is_transaction else "",
            process_data=der.octets(certified[2], deviations) if is_transaction and 2 in certified else b"",
            process_type=_text(certified.get(3)) if is_transaction else "",
            transaction_number=der.integer(certified[5], deviations) if is_transaction else None,
            system_data=system_data.value if system_data is not None else b"",
            audit_data=audit,
            serial=der.expect(serial, der.OCTETS, "serial number").value,
            algorithm=_algorithm(algorithm, deviations),
            signature_counter=der.integer(der.expect(counter, der.INTEGER, "signature counter"), deviations),
            log_time=_unix_time(time, deviations),
            time_format=_TIME_FORMATS[time.tag],
            time_text=_text(time) if time.tag != der.INTEGER else str(_unix_time(time, [])),
            signature=der.expect(signature, der.OCTETS, "signature").value,
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
        stem = f"{_NAME_OF_TIME[self.time_format]}_{self.time_text}_Sig-{self.signature_counter}_Log-"
        if self.log_type is LogType.TRANSACTION:
            step = self.operation.removesuffix("Transaction").capitalize()
            return f"{stem}Tra_No-{self.transaction_number}_{step}_Client-{self.client_id}.log"
        return f"{stem}Sys_{self.operation}.log" if self.log_type is LogType.SYSTEM else f"{stem}Aud.log"

    def is_named(self, name: str) -> bool:
        """Is this the right name for it? A file counter (`_Fc-1`) before the ending may be there."""
        return self.file_name in (name, _FILE_COUNTER.sub("", name))


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
    try:  # r and s outside 1 to n-1 are refused there
        key.verify(utils.encode_dss_signature(r, s), message.signed_bytes, ec.ECDSA(_HASHES[number][1]()))
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
            element(der.INTEGER, b"\x02")
            + element(der.OID, _LOG_OID + bytes([number]))
            + certified
            + element(der.OCTETS, serial)
            + element(der.SEQUENCE, element(der.OID, ECDSA_SHA384))
            + element(der.INTEGER, integer_content(counter))
            + element(der.INTEGER, integer_content(unix_time))
        )

    def sealed(self, signature: bytes) -> bytes:
        """The complete message with `signature` as r||s."""
        return element(der.SEQUENCE, self.to_be_signed + element(der.OCTETS, signature))


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


def _certified(elements: list[der.Element], log_type: LogType) -> dict[int, der.Element]:
    """The context-tagged elements at the beginning, by number."""
    numbers = [item.tag & 0x1F for item in itertools.takewhile(lambda item: item.tag & 0xC0 == 0x80, elements)]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise ProtocolError("the certified data are not in their order")
    if not _MANDATORY[log_type] <= set(numbers) or (log_type is LogType.AUDIT and numbers):
        raise ProtocolError(f"{log_type} log with certified data {numbers}")
    return dict(zip(numbers, elements, strict=False))


def _log_type(item: der.Element) -> LogType:
    oid = der.expect(item, der.OID, "log type").value
    if oid[:-1] != _LOG_OID or oid[-1] not in _TYPES:
        raise ProtocolError(f"log type {oid.hex()} is not known")
    return _TYPES[oid[-1]]


def _algorithm(item: der.Element, deviations: list[str]) -> bytes:
    der.expect(item, der.SEQUENCE, "signature algorithm")
    inner = list(der.walk(item.data, item.start, item.end, deviations))
    if not inner or inner[0].tag != der.OID or not inner[0].value:
        raise ProtocolError("signature algorithm without OID")
    return inner[0].value


def _text(item: der.Element | None) -> str:
    return item.value.decode("utf-8", "backslashreplace") if item is not None else ""


def _unix_time(item: der.Element, deviations: list[str]) -> int:
    if item.tag not in _TIME_FORMATS:
        raise ProtocolError(f"log time with tag 0x{item.tag:02x}")
    if item.tag == der.INTEGER:
        return der.integer(item, deviations)
    pattern, form = (_UTC_TIME, "%y%m%d%H%M%S") if item.tag == der.UTC_TIME else (_GENERALIZED_TIME, "%Y%m%d%H%M%S")
    text = _text(item)
    found = pattern.fullmatch(text)
    try:
        return int(datetime.strptime(found[1] if found else "", form).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ProtocolError(f"log time {text!r} cannot be read") from None
