"""What the results of a TSE mean, in German; in English it stands in `tse.results`."""

from collections.abc import Mapping

from gateway.tse.results import Result, tries_left

_UPDATE = "Firmware-Update"
IN_GERMAN: Mapping[int, str] = {
    Result.UNKNOWN: "unbestimmter Fehler der TSE",
    Result.NO_TIME_SET: "die TSE hat keine gültige Zeit: als TimeAdmin anmelden und stellen",
    Result.NO_TRANSACTION_IN_PROGRESS: "es wird keine Transaktion übertragen",
    Result.COMMAND_SYNTAX: "der Befehl ist fehlerhaft oder hat die falsche Länge",
    Result.NOT_ENOUGH_DATA_WRITTEN: "nicht alle angekündigten processData wurden geschrieben",
    Result.INVALID_PARAMETER: "ein Parameter ist nicht erlaubt",
    Result.TRANSACTION_NOT_STARTED: "diese Transaktion ist nicht offen",
    Result.MAX_PARALLEL_TRANSACTIONS: "zu viele offene Transaktionen: erst einige beenden",
    Result.CERTIFICATE_EXPIRED: "das Zertifikat der TSE ist abgelaufen: die TSE ersetzen",
    Result.NO_LAST_TRANSACTION: "für diesen Client gibt es keine letzte Transaktion",
    Result.COMMAND_NOT_ALLOWED: "diese Firmware erlaubt den Befehl nicht",
    Result.SIGNATURES_EXCEEDED: "die Signaturen der TSE sind verbraucht: die TSE ersetzen",
    Result.NOT_AUTHORIZED: "erst mit dem richtigen Benutzer anmelden",
    Result.MAX_REGISTERED_CLIENTS: "es können keine weiteren Clients angemeldet werden",
    Result.CLIENT_NOT_REGISTERED: "diese Client-ID ist nicht angemeldet",
    Result.UNACKNOWLEDGED_DATA: "gespeicherte Daten wurden noch nicht vollständig exportiert",
    Result.CLIENT_HAS_OPEN_TRANSACTIONS: "der Client hat offene Transaktionen",
    Result.TSE_HAS_OPEN_TRANSACTIONS: "die TSE hat offene Transaktionen",
    Result.NO_RESPONSE_TO_FETCH: "es gibt keine Antwort abzuholen",
    Result.EXPORT_IN_PROGRESS: "ein gefilterter Export läuft",
    Result.STORE_FULL: "der Speicher der TSE ist voll: exportieren und löschen, oder die TSE ersetzen",
    Result.NEEDS_PUK_CHANGE: "erst die PUK ändern",
    Result.NEEDS_PIN_CHANGE: "erst die PIN ändern",
    Result.NEEDS_ACTIVE_CTSS: "der sichere Speicher (CTSS) ist nicht aktiv: einschalten",
    Result.NEEDS_SELF_TEST: "der Selbsttest ist fällig: ausführen",
    Result.NEEDS_PASSED_SELF_TEST: "der letzte Selbsttest ist fehlgeschlagen",
    Result.UPDATE_INTEGRITY: f"{_UPDATE}: die Prüfsumme stimmt nicht",
    Result.UPDATE_DECRYPTION: f"{_UPDATE}: Entschlüsselung fehlgeschlagen",
    Result.UPDATE_FORMAT: f"{_UPDATE}: falsches Format",
    Result.UPDATE_INTERNAL: f"{_UPDATE}: innerer Fehler",
    Result.UPDATE_DOWNGRADE: f"{_UPDATE}: eine ältere Version wird abgelehnt",
    Result.ALREADY_INITIALIZED: "die TSE ist bereits initialisiert",
    Result.DECOMMISSIONED: "die TSE ist endgültig außer Betrieb",
    Result.NOT_INITIALIZED: "die TSE ist nicht initialisiert: erst einrichten",
    Result.AUTHENTICATION_FAILED: "falsche PIN oder PUK; das niederwertige Byte zählt die übrigen Versuche",
    Result.PIN_BLOCKED: "PIN oder PUK ist nach zu vielen falschen Versuchen gesperrt",
    Result.USER_NOT_LOGGED_IN: "dieser Benutzer ist nicht angemeldet",
    Result.SELF_TEST_FIRMWARE: "Selbsttest fehlgeschlagen: Firmware",
    Result.SELF_TEST_CSP: "Selbsttest fehlgeschlagen: Signaturprozessor",
    Result.SELF_TEST_RNG: "Selbsttest fehlgeschlagen: Zufallszahlen",
    Result.UPDATE_BASE: f"{_UPDATE} fehlgeschlagen: Basis",
    Result.UPDATE_EXTENSION: f"{_UPDATE} fehlgeschlagen: Erweiterung",
    Result.UPDATE_CSP: f"{_UPDATE} fehlgeschlagen: Signaturprozessor",
    Result.NO_EXPORT_IN_PROGRESS: "es läuft kein gefilterter Export",
    Result.EXPORT_RETRY: "es wird noch gesucht: noch einmal fragen",
    Result.NO_DATA_AVAILABLE: "keine gespeicherten Daten passen",
    Result.UNKNOWN_COMMAND: "die TSE kennt diesen Befehl nicht",
    Result.SIGNATURE_ERROR: "die TSE konnte nicht signieren: den Selbsttest ausführen",
}


def in_german(code: int) -> str:
    """Return one sentence for people about a result, as `tse.results.explain` does in English."""
    known = IN_GERMAN.get(code)
    if known is not None and code != Result.AUTHENTICATION_FAILED:
        return known
    left = tries_left(code)
    return (
        "ein Ergebnis, das dieses Gateway nicht kennt"
        if left is None
        else f"falsche PIN oder PUK, noch {left} Versuche"
    )
