"""Checks log messages one by one: form, name, signature, validity of the certificate at log time.

What must be compared across messages (counters, times, steps) is returned as records of fixed
size which sort as bytes:

    sequence      serial[32] u64 counter | u64 log time | u8 is update of time | first bytes of a hash[8]
    transactions  serial[32] u64 number | u64 counter | u8 step | first bytes of the client's hash[8]
"""

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gateway.errors import ProtocolError
from gateway.i18n.text import Text
from gateway.tse import log_names, processdata
from gateway.tse.commands import TransactionStep
from gateway.tse.logmessage import LogMessage, LogType, signature_check
from gateway.verify import tar
from gateway.verify.findings import SERIAL, Code, Findings, MessageCounts
from gateway.verify.keys import Key, Keyring, keys_of

SEQUENCE = struct.Struct(">32sQQB8s")
TRANSACTION = struct.Struct(">32sQQB8s")
MAX_MESSAGE = 128 * 1024 * 1024  # TSEs take far less; bounds the memory for a forged size

_SIZE = Text("{size} bytes", "{size} Bytes")
_CONTENT_SAYS = Text("content says {name}", "der Inhalt sagt {name}")
_OPERATION = Text("{operation}", "{operation}")
_OUT_OF_RANGE = Text(
    "serial number, counter or time out of their range",
    "Seriennummer, Zähler oder Zeit außerhalb ihres Bereichs",
)
_HELD = 1024 * 1024  # bytes of messages whose signatures are checked in a row
_U64 = 1 << 64
_SERIAL = 32
_FIRST_TSE = 1_000_000_000  # Unix time in 2001; a clock before it was never set


_STEPS = {
    "starttransaction": TransactionStep.START,
    "updatetransaction": TransactionStep.UPDATE,
    "finishtransaction": TransactionStep.FINISH,
}


_Signed = tuple[Callable[[], bool], LogMessage, str, Key]  # check of the signature, message, name, key


@dataclass(slots=True)
class CheckedMessages:
    """The result for some messages, and what is needed to compare them with others."""

    counts: MessageCounts = field(default_factory=MessageCounts)
    findings: Findings = field(default_factory=Findings)
    sequence: list[bytes] = field(default_factory=list)
    transactions: list[bytes] = field(default_factory=list)


def check_range(path: Path, start: int, end: int, ring: Keyring) -> CheckedMessages:
    """Check the log messages between two member boundaries of an archive. Runs in any process."""
    checked, keys = CheckedMessages(), keys_of(ring)
    held, size = list[_Signed](), 0
    with path.open("rb", buffering=1024 * 1024) as file:
        for entry in tar.entries(file, start, end, Findings()):  # the scan has reported what is wrong with the archive
            if not entry.name.endswith(log_names.ENDING):
                continue
            if entry.size > MAX_MESSAGE:
                _refuse(checked, entry.name, _SIZE.filled(size=entry.size))
                continue
            file.seek(entry.start)
            message = _check_content(file.read(entry.size), entry.name, checked)
            if message is not None:
                held += _prepared(message, entry.name, keys, checked)
                size += entry.size
            if size >= _HELD:
                _check_signatures(held, checked)
                held, size = [], 0
    _check_signatures(held, checked)
    return checked


def check_message(
    data: bytes, name: str, ring: Keyring, checked: CheckedMessages, *, any_name: bool = False
) -> LogMessage | None:
    """Check one message and add to `checked`; return the message, or None if it cannot be read.

    `any_name`: the name is only checked if it looks like one of an export.
    """
    message = _check_content(data, name, checked, any_name=any_name)
    if message is not None:
        _check_signatures(_prepared(message, name, keys_of(ring), checked), checked)
    return message


def _check_content(data: bytes, name: str, checked: CheckedMessages, *, any_name: bool = False) -> LogMessage | None:
    """Check all but the signature."""
    try:
        message = LogMessage.decode(data)
    except ProtocolError as error:
        _refuse(checked, name, error.text)
        return None
    checked.counts.messages += 1
    _check_form(message, name, checked.findings)
    if not any_name or log_names.is_exported(name):
        _check_name(message, name, checked.findings)
    step = _STEPS.get(message.operation.lower()) if message.log_type is LogType.TRANSACTION else None
    _check_process_data(message, step, name, checked.findings)
    _record(message, step, name, data, checked)
    return message


def _refuse(checked: CheckedMessages, name: str, reason: Text) -> None:
    checked.counts.messages += 1
    checked.counts.invalid += 1
    checked.findings.add(Code.MESSAGE_UNREADABLE, name, reason)


def _check_form(message: LogMessage, name: str, findings: Findings) -> None:
    for deviation in message.deviations:
        usual = deviation.en.startswith("process data of indefinite length")
        findings.add(Code.MESSAGE_INDEFINITE if usual else Code.MESSAGE_FORM, name, deviation)


def _check_name(message: LogMessage, name: str, findings: Findings) -> None:
    # Client ids may hold slashes, and archives may have been packed again within a directory.
    if not message.is_named(name) and not message.is_named(name.rpartition("/")[2]):
        findings.add(Code.MESSAGE_NAME, name, _CONTENT_SAYS, name=message.file_name)


def _check_process_data(message: LogMessage, step: TransactionStep | None, name: str, findings: Findings) -> None:
    if step is TransactionStep.START:
        if message.process_type or message.process_data:
            findings.add(Code.PROCESSDATA_START, name)
    elif step is TransactionStep.FINISH:  # updates may hold a part only
        for deviation in processdata.findings(message.process_type.encode(), message.process_data):
            findings.add(Code.PROCESSDATA_FORM, name, deviation.value)


def _prepared(message: LogMessage, name: str, keys: Mapping[bytes, Key], checked: CheckedMessages) -> list[_Signed]:
    """Return what is left to check of the signature: nothing if that cannot be done, which is reported."""
    key = keys.get(message.serial)
    if key is None:
        checked.counts.unchecked += 1
        checked.findings.add(Code.KEY_MISSING, name, SERIAL, serial=message.serial.hex())
        return []
    try:
        return [(signature_check(message, key.public), message, name, key)]
    except ProtocolError as error:
        checked.counts.unchecked += 1
        checked.findings.add(Code.SIGNATURE_UNSUPPORTED, name, error.text)
        return []


def _check_signatures(held: list[_Signed], checked: CheckedMessages) -> None:
    """Check signatures in a row: between other work each takes a tenth longer, from the processor's cold caches."""
    counts, findings = checked.counts, checked.findings
    fits = [check() for check, *_ in held]
    for fit, (_, message, name, key) in zip(fits, held, strict=True):
        if not fit:
            counts.invalid += 1
            findings.add(Code.SIGNATURE_INVALID, name)
            continue
        counts.valid += 1
        if message.log_time < min(key.not_before, _FIRST_TSE) and message.log_type is not LogType.TRANSACTION:
            findings.add(Code.TIME_UNSET, name)
        else:
            check_validity(key, message.log_time, name, findings)


def check_validity(key: Key, at: int, place: str | Text, findings: Findings) -> None:
    """Check whether a key might be used `at` this log time: its certificate valid, its chain not revoked."""
    if at > key.not_after:
        findings.add(Code.CERTIFICATE_EXPIRED, place)
    elif at < key.not_before:
        findings.add(Code.CERTIFICATE_EARLY, place)
    if at >= key.revoked_from:
        findings.add(Code.CERTIFICATE_REVOKED, place)


def _record(
    message: LogMessage, step: TransactionStep | None, name: str, data: bytes, checked: CheckedMessages
) -> None:
    number = message.transaction_number or 0
    numbers = (message.signature_counter, message.log_time, number)
    if len(message.serial) != _SERIAL or not all(0 <= value < _U64 for value in numbers):
        checked.findings.add(Code.MESSAGE_FORM, name, _OUT_OF_RANGE)
        return
    updates_time = message.log_type is LogType.SYSTEM and message.operation.lower() == "updatetime"
    counter, log_time = message.signature_counter, message.log_time
    checked.sequence.append(SEQUENCE.pack(message.serial, counter, log_time, updates_time, _short_hash(data)))
    if message.log_type is not LogType.TRANSACTION:
        return
    if step is None:
        checked.findings.add(Code.MESSAGE_OPERATION, name, _OPERATION, operation=message.operation)
        return
    client = _client_hash(message.client_id)
    checked.transactions.append(TRANSACTION.pack(message.serial, number, counter, step, client))


@lru_cache(maxsize=256)
def _client_hash(client_id: str) -> bytes:
    return _short_hash(client_id.encode())


def _short_hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:8]
