"""Result codes of a TSE and of the vendor's host library, with their meaning (LAN-TSE protocol).

Numbers from 0x1000 on come from the device, those below from the host library.
A device may return a number that is not listed: it stays a number.
"""

from enum import IntEnum
from typing import Self


class _Code(IntEnum):
    explanation: str

    def __new__(cls, value: int, explanation: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member


class Result(_Code):
    """Status of a command as the TSE reports it (u16)."""

    OK = 0, "done"
    UNKNOWN = 0x1001, "unspecified error of the TSE"
    NO_TIME_SET = 0x1002, "the TSE has no valid time: log in as TimeAdmin and set it"
    NO_TRANSACTION_IN_PROGRESS = 0x1004, "no transaction is being imported"
    COMMAND_SYNTAX = 0x1005, "the command is malformed or has the wrong length"
    NOT_ENOUGH_DATA_WRITTEN = 0x1006, "not all announced process data were written"
    INVALID_PARAMETER = 0x1007, "a parameter is not allowed"
    TRANSACTION_NOT_STARTED = 0x1008, "this transaction is not open"
    MAX_PARALLEL_TRANSACTIONS = 0x1009, "too many open transactions: finish some first"
    CERTIFICATE_EXPIRED = 0x100A, "the certificate of the TSE has expired: replace the TSE"
    NO_LAST_TRANSACTION = 0x100C, "there is no last transaction for this client"
    COMMAND_NOT_ALLOWED = 0x100D, "this firmware does not allow the command"
    SIGNATURES_EXCEEDED = 0x100E, "the signatures of the TSE are used up: replace the TSE"
    NOT_AUTHORIZED = 0x100F, "log in with the right user first"
    MAX_REGISTERED_CLIENTS = 0x1010, "no more clients can be registered"
    CLIENT_NOT_REGISTERED = 0x1011, "this client id is not registered"
    UNACKNOWLEDGED_DATA = 0x1012, "stored data were not exported completely yet"
    CLIENT_HAS_OPEN_TRANSACTIONS = 0x1013, "the client has open transactions"
    TSE_HAS_OPEN_TRANSACTIONS = 0x1014, "the TSE has open transactions"
    NO_RESPONSE_TO_FETCH = 0x1015, "there is no response to fetch"
    EXPORT_IN_PROGRESS = 0x1016, "a filtered export is in progress"
    STORE_FULL = 0x1017, "the store of the TSE is full: export and delete, or replace the TSE"
    NEEDS_PUK_CHANGE = 0x1050, "change the PUK first"
    NEEDS_PIN_CHANGE = 0x1051, "change the PIN first"
    NEEDS_ACTIVE_CTSS = 0x1053, "the secure storage (CTSS) is not active: enable it"
    NEEDS_SELF_TEST = 0x1054, "the self test is due: run it"
    NEEDS_PASSED_SELF_TEST = 0x1055, "the last self test failed"
    UPDATE_INTEGRITY = 0x1061, "firmware update: integrity check failed"
    UPDATE_DECRYPTION = 0x1062, "firmware update: decryption failed"
    UPDATE_FORMAT = 0x1064, "firmware update: wrong format"
    UPDATE_INTERNAL = 0x1065, "firmware update: internal error"
    UPDATE_DOWNGRADE = 0x1067, "firmware update: downgrade refused"
    ALREADY_INITIALIZED = 0x10FD, "the TSE is already initialized"
    DECOMMISSIONED = 0x10FE, "the TSE is decommissioned for good"
    NOT_INITIALIZED = 0x10FF, "the TSE is not initialized: set it up first"
    AUTHENTICATION_FAILED = 0x1100, "wrong PIN or PUK; the low byte counts the tries left"
    PIN_BLOCKED = 0x1201, "PIN or PUK is blocked after too many wrong tries"
    USER_NOT_LOGGED_IN = 0x1202, "this user is not logged in"
    SELF_TEST_FIRMWARE = 0x1300, "self test failed: firmware"
    SELF_TEST_CSP = 0x1310, "self test failed: signature processor"
    SELF_TEST_RNG = 0x1320, "self test failed: random numbers"
    UPDATE_BASE = 0x1400, "firmware update failed: base"
    UPDATE_EXTENSION = 0x1500, "firmware update failed: extension"
    UPDATE_CSP = 0x1600, "firmware update failed: signature processor"
    NO_EXPORT_IN_PROGRESS = 0x2001, "no filtered export is in progress"
    EXPORT_RETRY = 0x2002, "still searching: ask again"
    NO_DATA_AVAILABLE = 0x2003, "no stored data match"
    UNKNOWN_COMMAND = 0xF000, "the TSE does not know this command"
    SIGNATURE_ERROR = 0xFF00, "the TSE could not sign: run the self test"


class ApiError(_Code):
    """Codes of the host library below 0x1000, as clients of the LAN protocol expect them."""

    INVALID_PARAMETER = 1, "invalid parameter"
    NO_WORM_CARD = 2, "no TSE found"
    IO = 3, "input/output error"
    TIMEOUT = 4, "timeout"
    OUT_OF_MEMORY = 5, "out of memory"
    INVALID_RESPONSE = 6, "the TSE answered nonsense"
    STORE_FULL_INTERNAL = 7, "store full"
    RESPONSE_MISSING = 8, "the response is missing"
    EXPORT_NOT_INITIALIZED = 9, "nothing to export: the TSE is not set up"
    EXPORT_FAILED = 10, "export failed"
    INCREMENTAL_STATE_INVALID = 11, "state of the incremental export is invalid"
    INCREMENTAL_NO_DATA = 12, "no new data for the incremental export"
    POWER_CYCLE_DETECTED = 13, "the TSE lost power"
    FIRMWARE_UPDATE_NOT_APPLIED = 14, "firmware update was not applied"
    THREAD = 15, "thread could not be started"
    NETWORK = 16, "network error"
    COMMAND_NOT_SUPPORTED = 17, "command not supported"
    LAN_INVALID_API_TOKEN = 18, "wrong API token"
    NETWORK_TIMEOUT = 19, "network timeout"
    CONNECTION_FAILED = 20, "connection failed"
    LAN_UNBALANCED_LOCKS = 21, "unlock without lock"
    LAN_INVALID_SERVER_RESPONSE = 22, "session unknown or answer not understood"
    INVALID_STATE = 23, "invalid state"
    TSE_NOT_FOUND = 24, "TSE not found"
    EXPORT_LIMIT_TOO_LOW = 25, "limit of the incremental export is too low"
    FIRMWARE_UPDATE_NOT_AVAILABLE = 26, "no firmware update available"


_FIRST_DEVICE_RESULT = 0x1000
_AUTHENTICATION_FAILED = range(0x1100, 0x1200)
_PUK_REFUSED = 0x1103  # by generation 2, where a PUK never ends; no PIN has three tries left after a wrong one


def name_of(code: int) -> str:
    """Return the stable upper-case name of a code, or its number in hex when nobody knows it."""
    known = _lookup(code)
    return known.name if known is not None else f"0X{code:04X}"


def tries_left(code: int) -> int | None:
    """Return the tries of a PIN or PUK that are left; `None` unless the result tells them."""
    if code == Result.PIN_BLOCKED:
        return 0
    return code & 0xFF if code in _AUTHENTICATION_FAILED and code != _PUK_REFUSED else None


def refuses_secret(code: int) -> bool:
    """Return whether the TSE refused a PIN or PUK as wrong or blocked."""
    return code == Result.PIN_BLOCKED or code in _AUTHENTICATION_FAILED


def explain(code: int) -> str:
    """Return one sentence for people about a code."""
    if code == _PUK_REFUSED:
        return "wrong PUK, or one that came during the pause after a wrong one"
    if code in _AUTHENTICATION_FAILED:
        return f"wrong PIN or PUK, {tries_left(code)} tries left"
    known = _lookup(code)
    return known.explanation if known is not None else "a result this gateway does not know"


def _lookup(code: int) -> Result | ApiError | None:
    if code in _AUTHENTICATION_FAILED:
        return Result.AUTHENTICATION_FAILED
    kind: type[Result | ApiError] = Result if code >= _FIRST_DEVICE_RESULT or code == 0 else ApiError
    try:
        return kind(code)  # type: ignore[call-arg]
    except ValueError:
        return None
