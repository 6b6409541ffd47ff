"""The QR text on a receipt (DSFinV-K, annex I). The message of FinishTransaction is rebuilt from it and verified.

    V0;client;process type;process data;transaction;counter;start;log time;algorithm;time format;signature;key

The start time is not signed. Log version and curve are not named: each version, and each curve of BSI TR-03116-5 on
which the key lies, is tried.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import der
from gateway.tse.certificates import serial_of
from gateway.tse.logmessage import LogMessage, UnsignedMessage, verify
from gateway.tse.signatures import ALGORITHMS, plain_signature

MARK = "V0;"

_KEY, _SIGNATURE = Text("the key", "der Schlüssel"), Text("the signature", "die Signatur")
_OFFSET = Text("a time with an offset, Z expected", "eine Zeit mit Abweichung von UTC, erwartet wird Z")
_WITH_ALGORITHM = Text(
    "the key with its algorithm (SPKI), the point alone expected",
    "der Schlüssel mit seinem Verfahren (SPKI), erwartet wird nur der Punkt",
)
_AS_DER = Text(
    "the signature as DER, r and s one behind the other expected",
    "die Signatur als DER, erwartet werden r und s hintereinander",
)
_IN_HEX = Text("{what} in hex, base64 expected", "{what} in Hex, erwartet wird base64")
_UNUSUAL = Text("{what} in unusual base64", "{what} in unüblichem base64")
_FIELDS = 12
_DIGITS = 20  # of a number with 64 bits
_SHOWN = 40  # characters of a wrong field in a message
_CURVES = (
    ec.BrainpoolP256R1(),
    ec.BrainpoolP384R1(),
    ec.BrainpoolP512R1(),
    ec.SECP256R1(),
    ec.SECP384R1(),
    ec.SECP521R1(),
)
_UNCOMPRESSED, _DER = 0x04, 0x30


@dataclass(frozen=True, slots=True)
class ReceiptCode:
    """A decoded receipt code. `form` lists deviations from the standard that do not keep it from being read."""

    messages: tuple[LogMessage, ...]
    keys: tuple[ec.EllipticCurvePublicKey, ...]
    log_time: int
    serial: bytes
    form: tuple[Text, ...]

    @classmethod
    def decode(cls, text: str) -> "ReceiptCode":
        """Decode a receipt code.

        Raises:
            ProtocolError: it has another form, or an algorithm that is not supported.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ProtocolError(Text("bytes that are not UTF-8", "Bytes, die nicht UTF-8 sind")) from None
        fields = text.split(";")
        if len(fields) != _FIELDS or fields[0] != "V0":
            raise ProtocolError(
                Text("{given} fields, V0 and 11 more expected", "{given} Felder, erwartet V0 und 11 weitere"),
                given=len(fields),
            )
        form: list[Text] = []
        keys = _keys(fields[11], form)
        signature = _signature(fields[10], keys[0], form)
        _time(fields[6], form)
        at = _time(fields[7], form)
        serial = serial_of(keys[0])
        messages = tuple(
            LogMessage.decode(_message(fields, serial, time, signature, version))
            for time in _log_times(at, fields[9])
            for version in _OPERATIONS
        )
        return cls(messages, keys, int(at.timestamp()), serial, tuple(dict.fromkeys(form)))

    def verify(self) -> bool:
        """Return whether the signature is of what is printed."""
        return any(verify(message, key) for message in self.messages for key in self.keys)


_OPERATIONS = {2: "FinishTransaction", 3: "finishTransaction"}  # by log version, which the receipt does not tell


def _message(fields: list[str], serial: bytes, time: bytes, signature: bytes, version: int) -> bytes:
    algorithm = ALGORITHMS.get(fields[8])
    if algorithm is None:
        raise ProtocolError(
            Text(
                "signature algorithm {name!r} is not supported", "das Signaturverfahren {name!r} wird nicht unterstützt"
            ),
            name=fields[8][:_SHOWN],
        )
    message = UnsignedMessage.transaction(
        version=version,
        operation=_OPERATIONS[version],
        client_id=fields[1].encode(),
        process_data=fields[3].encode(),
        process_type=fields[2].encode(),
        number=_number(fields[4]),
        serial=serial,
        counter=_number(fields[5]),
        log_time=time,
        algorithm=algorithm,
    )
    return message.sealed(signature)


def _number(text: str) -> int:
    # The length first: Python converts no more than 4,300 digits.
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS or int(text) >= 1 << 64:
        raise ProtocolError(Text("{text!r} is no number", "{text!r} ist keine Zahl"), text=text[:_SHOWN])
    return int(text)


def _time(text: str, form: list[Text]) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ProtocolError(Text("{text!r} has no time zone", "{text!r} hat keine Zeitzone"), text=text)
        if not text.endswith("Z"):
            form.append(_OFFSET)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: before the year 1, or behind 9999
        raise ProtocolError(Text("{text!r} is no time", "{text!r} ist keine Zeit"), text=text[:_SHOWN]) from None


def _log_times(at: datetime, time_format: str) -> Iterator[bytes]:
    """Yield the log time as an ASN.1 element, in each way in which that format may write it."""
    if time_format == "unixTime":
        yield der.integer_element(max(int(at.timestamp()), 0))
    elif time_format.startswith("utcTime"):
        yield der.element(der.UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode())
    elif time_format.startswith("generalizedTime"):
        yield der.element(der.GENERALIZED_TIME, at.strftime("%Y%m%d%H%M%SZ").encode())
        milliseconds = f"{at:%Y%m%d%H%M%S}.{at.microsecond // 1000:03}Z"
        yield der.element(der.GENERALIZED_TIME, milliseconds.encode())
    else:
        raise ProtocolError(
            Text("log time format {format!r} is not known", "das Zeitformat {format!r} ist nicht bekannt"),
            format=time_format[:_SHOWN],
        )


def _keys(text: str, form: list[Text]) -> tuple[ec.EllipticCurvePublicKey, ...]:
    data = _bytes(text, _KEY, form)
    if data[:1] == bytes([_DER]):
        form.append(_WITH_ALGORITHM)
        try:
            key = load_der_public_key(data)
        except (ValueError, UnsupportedAlgorithm):
            raise ProtocolError(Text("the key cannot be read", "der Schlüssel lässt sich nicht lesen")) from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ProtocolError(
                Text("the key is none of an elliptic curve", "der Schlüssel ist keiner einer elliptischen Kurve")
            )
        return (key,)
    found = tuple(_on_curves(data)) if data[:1] == bytes([_UNCOMPRESSED]) else ()
    if not found:
        raise ProtocolError(
            Text(
                "the key is no point of a curve that TSEs use",
                "der Schlüssel ist kein Punkt einer Kurve, die TSEs benutzen",
            )
        )
    return found


def _on_curves(point: bytes) -> Iterator[ec.EllipticCurvePublicKey]:
    for curve in _CURVES:
        try:
            yield ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        except ValueError:
            continue


def _signature(text: str, key: ec.EllipticCurvePublicKey, form: list[Text]) -> bytes:
    data = _bytes(text, _SIGNATURE, form)
    width = (key.curve.key_size + 7) // 8
    if len(data) == 2 * width:
        return data
    try:
        plain = plain_signature(data, width)
    except (ValueError, OverflowError):
        return data  # its length alone makes it wrong
    form.append(_AS_DER)
    return plain


def _bytes(text: str, what: Text, form: list[Text]) -> bytes:
    with_hex = len(text) % 2 == 0 and all(letter in "0123456789abcdefABCDEF" for letter in text)
    if with_hex and text:
        form.append(_IN_HEX.filled(what=what))
        return bytes.fromhex(text)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(Text("{what} is not base64", "{what} ist nicht base64"), what=what) from None
    if base64.b64encode(data).decode() != text:
        form.append(_UNUSUAL.filled(what=what))
    return data
