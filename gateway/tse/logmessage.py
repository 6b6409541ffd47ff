"""Log messages of a TSE, of version 2 (BSI TR-03151) and 3 (BSI TR-03151-1): build, understand, verify.

    SEQUENCE { 2, type OID, certified data [0].., serial, { algorithm OID },
               (audit data,) signature counter, log time, signature r||s }

The certified data are context-tagged and not wrapped:
    transaction  80 operation 81 client 82 process data 83 process type [84] 85 number [86]
    system       80 operation 81 operation data [82]
    audit        none; an OCTET STRING stands between algorithm and counter
Log version 3 differs in system logs only: 80 operation [81 origin] [82 triggering user] A3 event data; its operations
begin in lower case.

Signed are the complete elements (tag, length, value, as stored) of everything inside the
outer SEQUENCE except the signature. Real devices write process data with indefinite
length now and then, so this module walks the elements itself: only so the signed bytes
stay the stored ones.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import der, log_names, signatures
from gateway.tse.signatures import ECDSA_SHA384

_LOG_OID = bytes.fromhex("04007f0007030701")  # 0.4.0.127.0.7.3.7.1
_TIME_FORMATS = {der.INTEGER: "unixTime", der.UTC_TIME: "utcTime", der.GENERALIZED_TIME: "generalizedTime"}
_UTC_TIME = re.compile(r"(\d{12})Z", re.ASCII)
_GENERALIZED_TIME = re.compile(r"(\d{14})(?:\.\d+)?Z", re.ASCII)


class LogType(StrEnum):
    """Kind of a log message; the last byte of its OID 0.4.0.127.0.7.3.7.1 is the position here, from 1."""

    TRANSACTION = "transaction"
    SYSTEM = "system"
    AUDIT = "audit"


_TYPES = dict(enumerate(LogType, start=1))
_FEWEST_ELEMENTS = 7
# Numbers of the certified data without which a log says nothing: operation, client and transaction number.
_MANDATORY = {LogType.TRANSACTION: {0, 1, 5}, LogType.SYSTEM: {0}, LogType.AUDIT: set()}

_MESSAGE, _VERSION = Text("a log message", "eine Log-Nachricht"), Text("version", "Version")
_AUDIT = Text("audit data", "Audit-Daten")
_SERIAL_NUMBER = Text("serial number", "Seriennummer")
_COUNTER = Text("signature counter", "Signaturzähler")
_SIGNATURE = Text("signature", "Signatur")
_LOG_TYPE = Text("log type", "Log-Typ")
_ALGORITHM = Text("signature algorithm", "Signaturverfahren")
_REST = Text("{size} bytes behind the message", "{size} Bytes hinter der Nachricht")


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One log message. `log_time` in Unix seconds, `time_text` as stored, `signature` as r||s.

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
    deviations: tuple[Text, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> "LogMessage":
        """Understand the bytes of one log message.

        Raises:
            ProtocolError: truncated, or not of the form above.
        """
        deviations: list[Text] = []
        outer = der.read(data, 0, deviations)
        der.expect(outer, der.SEQUENCE, _MESSAGE)
        if outer.end != len(data):
            deviations.append(_REST.filled(size=len(data) - outer.end))
        elements = der.walk(data, outer.start, outer.end, deviations)
        if len(elements) < _FEWEST_ELEMENTS:
            raise ProtocolError(
                Text(
                    "a log message has at least {fewest} elements", "eine Logmeldung hat mindestens {fewest} Elemente"
                ),
                fewest=_FEWEST_ELEMENTS,
            )
        version = der.integer(der.expect(elements[0], der.INTEGER, _VERSION), deviations)
        if version not in (2, 3):
            raise ProtocolError(
                Text("log version {version} is not known", "die Log-Version {version} ist nicht bekannt"),
                version=version,
            )
        log_type = _log_type(elements[1])
        certified = _certified(elements[2:], log_type)
        rest = elements[2 + len(certified) :]
        audit = b""
        if log_type is LogType.AUDIT and len(rest) == 6:
            audit = der.expect(rest.pop(2), der.OCTETS, _AUDIT).value
        if len(rest) != 5:
            raise ProtocolError(
                Text(
                    "{given} elements behind the certified data, 5 expected",
                    "{given} Elemente hinter den zertifizierten Daten, erwartet 5",
                ),
                given=len(rest),
            )
        serial, algorithm, counter, time, signature = rest
        is_transaction = log_type is LogType.TRANSACTION
        log_time = _unix_time(time, deviations)
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
            serial=der.expect(serial, der.OCTETS, _SERIAL_NUMBER).value,
            algorithm=_algorithm(algorithm, deviations),
            signature_counter=der.integer(der.expect(counter, der.INTEGER, _COUNTER), deviations),
            log_time=log_time,
            time_format=_TIME_FORMATS[time.tag],
            time_text=_text(time) if time.tag != der.INTEGER else str(log_time),
            signature=der.expect(signature, der.OCTETS, _SIGNATURE).value,
            signed_bytes=data[outer.start : signature.at],
            version=version,
            deviations=tuple(deviations),
        )

    @property
    def algorithm_name(self) -> str:
        """The name of the algorithm, such as `ecdsa-plain-SHA384`; the bytes of an unknown OID in hex."""
        return signatures.algorithm_name(self.algorithm)

    @property
    def file_name(self) -> str:
        """Name of the message in an export, see `log_names`."""
        time = (self.time_format, self.time_text, self.signature_counter)
        if self.log_type is LogType.TRANSACTION:
            return log_names.transaction(
                *time, number=self.transaction_number, operation=self.operation, client_id=self.client_id
            )
        return log_names.system(*time, self.operation) if self.log_type is LogType.SYSTEM else log_names.audit(*time)

    def is_named(self, name: str) -> bool:
        """Tell whether `name` is right for the message, with or without a file counter."""
        right = self.file_name
        return name == right or log_names.without_file_counter(name) == right


def verify(message: LogMessage, key: ec.EllipticCurvePublicKey) -> bool:
    """Tell whether the signature is one of `key` (on any named curve) over the stored bytes.

    Raises:
        ProtocolError: the message names an algorithm that this verifier does not have.
    """
    return signature_check(message, key)()


def signature_check(message: LogMessage, key: ec.EllipticCurvePublicKey) -> Callable[[], bool]:
    """Return what does the arithmetic of `verify`, which raises the same; see `signatures.check`."""
    return signatures.check(message.signature, message.signed_bytes, message.algorithm, key)


@dataclass(frozen=True, slots=True)
class UnsignedMessage:
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
        log_time: bytes,
        algorithm: bytes = ECDSA_SHA384,
        version: int = 2,
    ) -> "UnsignedMessage":
        """Build a step of a transaction; empty data and type have length zero. `log_time` is the element."""
        certified = (
            der.element(0x80, operation.encode("ascii"))
            + der.element(0x81, client_id)
            + der.element(0x82, process_data)
            + der.element(0x83, process_type)
            + der.integer_element(number, 0x85)
        )
        head, tail = _head(version, LogType.TRANSACTION), _tail(serial, algorithm, counter, log_time)
        return cls(head + certified + tail)

    @classmethod
    def system(cls, *, operation: str, data: bytes, serial: bytes, counter: int, log_time: bytes) -> "UnsignedMessage":
        """Build a system log of version 2; `data` is a series of elements, present with length zero when empty."""
        certified = der.element(0x80, operation.encode("ascii")) + der.element(0x81, data)
        return cls(_head(2, LogType.SYSTEM) + certified + _tail(serial, ECDSA_SHA384, counter, log_time))

    @classmethod
    def event(
        cls, *, operation: str, origin: str, user: str, data: bytes, serial: bytes, counter: int, log_time: bytes
    ) -> "UnsignedMessage":
        """Build a system log of version 3; `data` is a series of elements. `user` triggered it, empty if nobody did."""
        certified = der.element(0x80, operation.encode("ascii")) + der.element(0x81, origin.encode("ascii"))
        certified += der.element(0x82, user.encode("ascii")) if user else b""
        certified += der.element(0xA3, data)
        return cls(_head(3, LogType.SYSTEM) + certified + _tail(serial, ECDSA_SHA384, counter, log_time))

    def sealed(self, signature: bytes) -> bytes:
        """Return the complete message with `signature` as r||s."""
        return der.element(der.SEQUENCE, self.to_be_signed + der.element(der.OCTETS, signature))


def _head(version: int, kind: LogType) -> bytes:
    number = next(number for number, known in _TYPES.items() if known is kind)
    return der.integer_element(version) + der.element(der.OID, _LOG_OID + bytes([number]))


def _tail(serial: bytes, algorithm: bytes, counter: int, log_time: bytes) -> bytes:
    return (
        der.element(der.OCTETS, serial)
        + der.element(der.SEQUENCE, der.element(der.OID, algorithm))
        + der.integer_element(counter)
        + log_time
    )


def _certified(elements: list[der.DerElement], log_type: LogType) -> dict[int, der.DerElement]:
    """Return the context-tagged elements at the beginning, by number."""
    found: dict[int, der.DerElement] = {}
    last = -1
    for item in elements:
        if item.tag & 0xC0 != 0x80:
            break
        number = item.tag & 0x1F
        if number <= last:
            raise ProtocolError(
                Text(
                    "the certified data are not in their order",
                    "die zertifizierten Daten stehen nicht in ihrer Reihenfolge",
                )
            )
        found[number], last = item, number
    if not _MANDATORY[log_type] <= found.keys() or (log_type is LogType.AUDIT and found):
        raise ProtocolError(
            Text(
                "{log_type} log with certified data {numbers}", "{log_type}-Log mit den zertifizierten Daten {numbers}"
            ),
            log_type=log_type,
            numbers=list(found),
        )
    return found


def _log_type(item: der.DerElement) -> LogType:
    oid = der.expect(item, der.OID, _LOG_TYPE).value
    if oid[:-1] != _LOG_OID or oid[-1] not in _TYPES:
        raise ProtocolError(Text("log type {oid} is not known", "der Log-Typ {oid} ist nicht bekannt"), oid=oid.hex())
    return _TYPES[oid[-1]]


def _algorithm(item: der.DerElement, deviations: list[Text]) -> bytes:
    der.expect(item, der.SEQUENCE, _ALGORITHM)
    inner = der.walk(item.data, item.start, item.end, deviations)
    if not inner or inner[0].tag != der.OID or not inner[0].value:
        raise ProtocolError(Text("signature algorithm without OID", "Signaturverfahren ohne OID"))
    return inner[0].value


def _text(item: der.DerElement | None) -> str:
    return item.value.decode("utf-8", "backslashreplace") if item is not None else ""


def _unix_time(item: der.DerElement, deviations: list[Text]) -> int:
    if item.tag not in _TIME_FORMATS:
        raise ProtocolError(Text("log time with tag 0x{tag:02x}", "Log-Zeit mit dem Tag 0x{tag:02x}"), tag=item.tag)
    if item.tag == der.INTEGER:
        return der.integer(item, deviations)
    pattern, form = (_UTC_TIME, "%y%m%d%H%M%S") if item.tag == der.UTC_TIME else (_GENERALIZED_TIME, "%Y%m%d%H%M%S")
    text = _text(item)
    found = pattern.fullmatch(text)
    try:
        return int(datetime.strptime(found[1] if found else "", form).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ProtocolError(
            Text("log time {text!r} cannot be read", "die Log-Zeit {text!r} lässt sich nicht lesen"), text=text
        ) from None
