"""Result codes of a TSE and of the vendor's host library, with their meaning (LAN-TSE protocol).

Numbers from 0x1000 on come from the device, those below from the host library.
A device may return a number that is not listed: it stays a number.
"""

from enum import IntEnum
from typing import Self

from gateway.i18n.text import Text


class _Code(IntEnum):
    explanation: Text

    def __new__(cls, value: int, en: str, de: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.explanation = Text(en, de)
        return member


class Result(_Code):
    """Status of a command as the TSE reports it (u16)."""

    OK = 0, "done", "fertig"
    UNKNOWN = 0x1001, "unspecified error of the TSE", "unbestimmter Fehler der TSE"
    NO_TIME_SET = (
        0x1002,
        "the TSE has no valid time: log in as TimeAdmin and set it",
        "die TSE hat keine gültige Zeit: als TimeAdmin anmelden und stellen",
    )
    NO_TRANSACTION_IN_PROGRESS = 0x1004, "no transaction is being imported", "es wird keine Transaktion übertragen"
    COMMAND_SYNTAX = (
        0x1005,
        "the command is malformed or has the wrong length",
        "der Befehl ist fehlerhaft oder hat die falsche Länge",
    )
    NOT_ENOUGH_DATA_WRITTEN = (
        0x1006,
        "not all announced process data were written",
        "nicht alle angekündigten processData wurden geschrieben",
    )
    INVALID_PARAMETER = 0x1007, "a parameter is not allowed", "ein Parameter ist nicht erlaubt"
    TRANSACTION_NOT_STARTED = 0x1008, "this transaction is not open", "diese Transaktion ist nicht offen"
    MAX_PARALLEL_TRANSACTIONS = (
        0x1009,
        "too many open transactions: finish some first",
        "zu viele offene Transaktionen: erst einige beenden",
    )
    CERTIFICATE_EXPIRED = (
        0x100A,
        "the certificate of the TSE has expired: replace the TSE",
        "das Zertifikat der TSE ist abgelaufen: die TSE ersetzen",
    )
    NO_LAST_TRANSACTION = (
        0x100C,
        "there is no last transaction for this client",
        "für diesen Client gibt es keine letzte Transaktion",
    )
    COMMAND_NOT_ALLOWED = 0x100D, "this firmware does not allow the command", "diese Firmware erlaubt den Befehl nicht"
    SIGNATURES_EXCEEDED = (
        0x100E,
        "the signatures of the TSE are used up: replace the TSE",
        "die Signaturen der TSE sind verbraucht: die TSE ersetzen",
    )
    NOT_AUTHORIZED = 0x100F, "log in with the right user first", "erst mit dem richtigen Benutzer anmelden"
    MAX_REGISTERED_CLIENTS = (
        0x1010,
        "no more clients can be registered",
        "es können keine weiteren Clients angemeldet werden",
    )
    CLIENT_NOT_REGISTERED = 0x1011, "this client id is not registered", "diese Client-ID ist nicht angemeldet"
    UNACKNOWLEDGED_DATA = (
        0x1012,
        "stored data were not exported completely yet",
        "gespeicherte Daten wurden noch nicht vollständig exportiert",
    )
    CLIENT_HAS_OPEN_TRANSACTIONS = 0x1013, "the client has open transactions", "der Client hat offene Transaktionen"
    TSE_HAS_OPEN_TRANSACTIONS = 0x1014, "the TSE has open transactions", "die TSE hat offene Transaktionen"
    NO_RESPONSE_TO_FETCH = 0x1015, "there is no response to fetch", "es gibt keine Antwort abzuholen"
    EXPORT_IN_PROGRESS = 0x1016, "a filtered export is in progress", "ein gefilterter Export läuft"
    STORE_FULL = (
        0x1017,
        "the store of the TSE is full: export and delete, or replace the TSE",
        "der Speicher der TSE ist voll: exportieren und löschen, oder die TSE ersetzen",
    )
    NEEDS_PUK_CHANGE = 0x1050, "change the PUK first", "erst die PUK ändern"
    NEEDS_PIN_CHANGE = 0x1051, "change the PIN first", "erst die PIN ändern"
    NEEDS_ACTIVE_CTSS = (
        0x1053,
        "the secure storage (CTSS) is not active: enable it",
        "der sichere Speicher (CTSS) ist nicht aktiv: einschalten",
    )
    NEEDS_SELF_TEST = 0x1054, "the self test is due: run it", "der Selbsttest ist fällig: ausführen"
    NEEDS_PASSED_SELF_TEST = 0x1055, "the last self test failed", "der letzte Selbsttest ist fehlgeschlagen"
    UPDATE_INTEGRITY = 0x1061, "firmware update: integrity check failed", "Firmware-Update: die Prüfsumme stimmt nicht"
    UPDATE_DECRYPTION = 0x1062, "firmware update: decryption failed", "Firmware-Update: Entschlüsselung fehlgeschlagen"
    UPDATE_FORMAT = 0x1064, "firmware update: wrong format", "Firmware-Update: falsches Format"
    UPDATE_INTERNAL = 0x1065, "firmware update: internal error", "Firmware-Update: innerer Fehler"
    UPDATE_DOWNGRADE = (
        0x1067,
        "firmware update: downgrade refused",
        "Firmware-Update: eine ältere Version wird abgelehnt",
    )
    ALREADY_INITIALIZED = 0x10FD, "the TSE is already initialized", "die TSE ist bereits initialisiert"
    DECOMMISSIONED = 0x10FE, "the TSE is decommissioned for good", "die TSE ist endgültig außer Betrieb"
    NOT_INITIALIZED = (
        0x10FF,
        "the TSE is not initialized: set it up first",
        "die TSE ist nicht initialisiert: erst einrichten",
    )
    AUTHENTICATION_FAILED = (
        0x1100,
        "wrong PIN or PUK; the low byte counts the tries left",
        "falsche PIN oder PUK; das niederwertige Byte zählt die übrigen Versuche",
    )
    PIN_BLOCKED = (
        0x1201,
        "PIN or PUK is blocked after too many wrong tries",
        "PIN oder PUK ist nach zu vielen falschen Versuchen gesperrt",
    )
    USER_NOT_LOGGED_IN = 0x1202, "this user is not logged in", "dieser Benutzer ist nicht angemeldet"
    SELF_TEST_FIRMWARE = 0x1300, "self test failed: firmware", "Selbsttest fehlgeschlagen: Firmware"
    SELF_TEST_CSP = 0x1310, "self test failed: signature processor", "Selbsttest fehlgeschlagen: Signaturprozessor"
    SELF_TEST_RNG = 0x1320, "self test failed: random numbers", "Selbsttest fehlgeschlagen: Zufallszahlen"
    UPDATE_BASE = 0x1400, "firmware update failed: base", "Firmware-Update fehlgeschlagen: Basis"
    UPDATE_EXTENSION = 0x1500, "firmware update failed: extension", "Firmware-Update fehlgeschlagen: Erweiterung"
    UPDATE_CSP = (
        0x1600,
        "firmware update failed: signature processor",
        "Firmware-Update fehlgeschlagen: Signaturprozessor",
    )
    NO_EXPORT_IN_PROGRESS = 0x2001, "no filtered export is in progress", "es läuft kein gefilterter Export"
    EXPORT_RETRY = 0x2002, "still searching: ask again", "es wird noch gesucht: noch einmal fragen"
    NO_DATA_AVAILABLE = 0x2003, "no stored data match", "keine gespeicherten Daten passen"
    UNKNOWN_COMMAND = 0xF000, "the TSE does not know this command", "die TSE kennt diesen Befehl nicht"
    SIGNATURE_ERROR = (
        0xFF00,
        "the TSE could not sign: run the self test",
        "die TSE konnte nicht signieren: den Selbsttest ausführen",
    )


class ApiError(_Code):
    """Codes of the host library below 0x1000, as clients of the LAN protocol expect them."""

    INVALID_PARAMETER = 1, "invalid parameter", "ungültiger Parameter"
    NO_WORM_CARD = 2, "no TSE found", "keine TSE gefunden"
    IO = 3, "input/output error", "Ein-/Ausgabefehler"
    TIMEOUT = 4, "timeout", "Zeit abgelaufen"
    OUT_OF_MEMORY = 5, "out of memory", "zu wenig Arbeitsspeicher"
    INVALID_RESPONSE = 6, "the TSE answered nonsense", "die TSE hat unverständlich geantwortet"
    STORE_FULL_INTERNAL = 7, "store full", "Speicher voll"
    RESPONSE_MISSING = 8, "the response is missing", "die Antwort fehlt"
    EXPORT_NOT_INITIALIZED = (
        9,
        "nothing to export: the TSE is not set up",
        "nichts zu exportieren: die TSE ist nicht eingerichtet",
    )
    EXPORT_FAILED = 10, "export failed", "Export fehlgeschlagen"
    INCREMENTAL_STATE_INVALID = (
        11,
        "state of the incremental export is invalid",
        "der Stand des inkrementellen Exports ist ungültig",
    )
    INCREMENTAL_NO_DATA = (
        12,
        "no new data for the incremental export",
        "keine neuen Daten für den inkrementellen Export",
    )
    POWER_CYCLE_DETECTED = 13, "the TSE lost power", "die TSE war ohne Strom"
    FIRMWARE_UPDATE_NOT_APPLIED = 14, "firmware update was not applied", "das Firmware-Update wurde nicht angewandt"
    THREAD = 15, "thread could not be started", "ein Thread ließ sich nicht starten"
    NETWORK = 16, "network error", "Netzfehler"
    COMMAND_NOT_SUPPORTED = 17, "command not supported", "der Befehl wird nicht unterstützt"
    LAN_INVALID_API_TOKEN = 18, "wrong API token", "falsches API-Token"
    NETWORK_TIMEOUT = 19, "network timeout", "im Netz kam keine Antwort"
    CONNECTION_FAILED = 20, "connection failed", "die Verbindung kam nicht zustande"
    LAN_UNBALANCED_LOCKS = 21, "unlock without lock", "Freigabe ohne Sperre"
    LAN_INVALID_SERVER_RESPONSE = (
        22,
        "session unknown or answer not understood",
        "Sitzung unbekannt oder Antwort nicht verstanden",
    )
    INVALID_STATE = 23, "invalid state", "ungültiger Zustand"
    TSE_NOT_FOUND = 24, "TSE not found", "TSE nicht gefunden"
    EXPORT_LIMIT_TOO_LOW = (
        25,
        "limit of the incremental export is too low",
        "das Limit des inkrementellen Exports ist zu klein",
    )
    FIRMWARE_UPDATE_NOT_AVAILABLE = 26, "no firmware update available", "kein Firmware-Update vorhanden"


_FIRST_DEVICE_RESULT = 0x1000
_AUTHENTICATION_FAILED = range(0x1100, 0x1200)
_PUK_REFUSED = 0x1103  # by generation 2, where a PUK never ends; no PIN has three tries left after a wrong one
_WRONG_PUK = Text(
    "wrong PUK, or one that came during the pause after a wrong one",
    "falsche PUK, oder eine, die während der Pause nach einer falschen kam",
)
_WRONG_PIN = Text("wrong PIN or PUK, {left} tries left", "falsche PIN oder PUK, noch {left} Versuche")
_NOT_KNOWN = Text("a result this gateway does not know", "ein Ergebnis, das dieses Gateway nicht kennt")


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


def explain(code: int) -> Text:
    """Return one sentence for people about a code."""
    if code == _PUK_REFUSED:
        return _WRONG_PUK
    if code in _AUTHENTICATION_FAILED:
        return _WRONG_PIN.filled(left=tries_left(code))
    known = _lookup(code)
    return known.explanation if known is not None else _NOT_KNOWN


def _lookup(code: int) -> Result | ApiError | None:
    if code in _AUTHENTICATION_FAILED:
        return Result.AUTHENTICATION_FAILED
    kind: type[Result | ApiError] = Result if code >= _FIRST_DEVICE_RESULT or code == 0 else ApiError
    try:
        return kind(code)  # type: ignore[call-arg]
    except ValueError:
        return None
