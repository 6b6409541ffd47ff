"""The severity of each finding, and what it means, for people."""

from dataclasses import dataclass

from gateway.i18n.text import Text
from gateway.verify.findings import Code, FindingClass, Findings, Severity

_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR


@dataclass(frozen=True, slots=True)
class Meaning:
    """Severity and sentence of a finding."""

    severity: Severity
    text: Text


CLASSES: dict[FindingClass, Text] = {
    FindingClass.GENERAL: Text("general", "Allgemeines"),
    FindingClass.MESSAGE: Text("log messages and receipt codes", "Log-Nachrichten und Beleg-QR-Texte"),
    FindingClass.ARCHIVE: Text("the archive (TAR) and its completeness", "das Archiv (TAR) und seine Vollständigkeit"),
    FindingClass.CERTIFICATE: Text("certificates and chains", "Zertifikate und Ketten"),
    FindingClass.REVOCATION: Text("revocation (PKI, CRL)", "Sperrung (PKI, CRL)"),
    FindingClass.DSFINVK: Text("DSFinV-K", "DSFinV-K"),
    FindingClass.PROCESS_DATA: Text("process type and process data", "Prozess-Typ und Prozess-Daten"),
}
_CLASS_OF = {  # by the beginning of a code
    "file": FindingClass.GENERAL,
    "message": FindingClass.MESSAGE,
    "signature": FindingClass.MESSAGE,
    "receipt": FindingClass.MESSAGE,
    "key": FindingClass.CERTIFICATE,
    "certificate": FindingClass.CERTIFICATE,
    "chain": FindingClass.CERTIFICATE,
    "revocation": FindingClass.REVOCATION,
    "dsfinvk": FindingClass.DSFINVK,
    "processdata": FindingClass.PROCESS_DATA,
}
_REVOKED = (Code.CERTIFICATE_REVOKED, Code.CERTIFICATE_REVOKED_LATER)


def class_of(code: Code) -> FindingClass:
    """Return the class under which a report lists a finding."""
    if code in _REVOKED:
        return FindingClass.REVOCATION
    return _CLASS_OF.get(code.partition(".")[0], FindingClass.ARCHIVE)


def worst(findings: Findings, *, apart_from: Code | None = None) -> Severity | None:
    """Return the highest severity among findings, those of one code left out; None when there are none."""
    return max((MEANINGS[code].severity for code, _ in findings.items() if code is not apart_from), default=None)


MEANINGS: dict[Code, Meaning] = {
    Code.FILE_UNREADABLE: Meaning(_ERROR, Text("the file cannot be read", "die Datei ist nicht lesbar")),
    Code.FILE_UNKNOWN: Meaning(
        _ERROR,
        Text(
            "neither an export, a log message, receipt codes nor certificates",
            "weder Export noch Log-Nachricht, Beleg-QR-Texte oder Zertifikate",
        ),
    ),
    Code.FILE_EMPTY: Meaning(_WARNING, Text("holds no log message", "enthält keine Log-Nachricht")),
    Code.TAR_HEADER: Meaning(
        _ERROR,
        Text("damaged archive header; a member may be lost", "beschädigter Archiv-Kopf; ein Eintrag kann fehlen"),
    ),
    Code.TAR_TRUNCATED: Meaning(_ERROR, Text("the archive is cut off", "das Archiv ist abgeschnitten")),
    Code.TAR_AFTER_END: Meaning(
        _ERROR,
        Text("data behind the end of the archive were not checked", "Daten hinter dem Archiv-Ende sind ungeprüft"),
    ),
    Code.TAR_PADDING: Meaning(
        _WARNING, Text("the padding of a member is not zero", "die Auffüllung eines Eintrags ist nicht null")
    ),
    Code.TAR_MEMBER: Meaning(
        _WARNING,
        Text("a member that is no plain file was not checked", "ein Eintrag, der keine Datei ist, blieb ungeprüft"),
    ),
    Code.TAR_CHECKSUM_FORM: Meaning(
        _NOTE,
        Text(
            "the checksum of a header is written differently from the others",
            "die Prüfsumme eines Kopfes ist anders geschrieben als die übrigen",
        ),
    ),
    Code.TAR_NO_END: Meaning(
        _NOTE,
        Text(
            "the archive has no end mark (some devices write none)", "ohne Archiv-Ende (manche Geräte schreiben keins)"
        ),
    ),
    Code.MEMBER_UNKNOWN: Meaning(
        _NOTE, Text("a member that does not belong to an export", "ein Eintrag, der nicht zu einem Export gehört")
    ),
    Code.INFO_MISSING: Meaning(_WARNING, Text("info.csv is missing", "info.csv fehlt")),
    Code.INFO_FORM: Meaning(_NOTE, Text("info.csv has an unknown form", "info.csv hat eine unbekannte Form")),
    Code.MESSAGE_UNREADABLE: Meaning(_ERROR, Text("no readable log message", "keine lesbare Log-Nachricht")),
    Code.MESSAGE_FORM: Meaning(
        _WARNING, Text("the message is not in strict form (DER)", "die Nachricht hat nicht die strenge Form (DER)")
    ),
    Code.MESSAGE_INDEFINITE: Meaning(
        _NOTE,
        Text(
            "process data of indefinite length (some devices write them so)",
            "Prozessdaten unbestimmter Länge (manche Geräte schreiben so)",
        ),
    ),
    Code.MESSAGE_NAME: Meaning(
        _WARNING,
        Text("the file name contradicts the signed content", "der Dateiname widerspricht dem signierten Inhalt"),
    ),
    Code.MESSAGE_OPERATION: Meaning(
        _WARNING, Text("an unknown step of a transaction", "ein unbekannter Schritt einer Transaktion")
    ),
    Code.SIGNATURE_INVALID: Meaning(_ERROR, Text("the signature is wrong", "die Signatur ist falsch")),
    Code.SIGNATURE_UNSUPPORTED: Meaning(
        _ERROR,
        Text(
            "this signature algorithm cannot be checked here", "dieses Signaturverfahren kann hier nicht geprüft werden"
        ),
    ),
    Code.KEY_MISSING: Meaning(
        _ERROR,
        Text(
            "no certificate for the key of this message: not checked (name its file, too)",
            "kein Zertifikat zum Schlüssel dieser Nachricht: ungeprüft (dessen Datei mit angeben)",
        ),
    ),
    Code.COUNTER_CONFLICT: Meaning(
        _ERROR,
        Text("two different messages with one signature counter", "zwei verschiedene Nachrichten mit einem Zähler"),
    ),
    Code.COUNTER_REPEATED: Meaning(
        _WARNING, Text("the same message more than once", "dieselbe Nachricht mehr als einmal")
    ),
    Code.COUNTER_MISSING: Meaning(
        _ERROR, Text("messages are missing from a complete export", "in einem vollständigen Export fehlen Nachrichten")
    ),
    Code.COUNTER_GAP: Meaning(
        _WARNING,
        Text(
            "messages are missing, though the export begins at the first one",
            "es fehlen Nachrichten, obwohl der Export mit der ersten beginnt",
        ),
    ),
    Code.COUNTER_SKIPPED: Meaning(
        _NOTE, Text("counters are missing, as in a filtered export", "Zähler fehlen, wie in einem gefilterten Export")
    ),
    Code.COUNTER_PARTIAL: Meaning(
        _NOTE,
        Text(
            "a part: the export begins after the first message of the TSE",
            "ein Teil: der Export beginnt nach der ersten Nachricht der TSE",
        ),
    ),
    Code.TIME_BACKWARDS: Meaning(
        _WARNING, Text("the time goes backwards without an updateTime", "die Zeit springt zurück ohne updateTime")
    ),
    Code.TIME_UNSET: Meaning(
        _NOTE, Text("logged before the clock of the TSE was set", "aufgezeichnet, bevor die Uhr der TSE gestellt war")
    ),
    Code.TRANSACTION_ORDER: Meaning(
        _ERROR,
        Text(
            "steps of a transaction that cannot follow each other",
            "Schritte einer Transaktion, die nicht aufeinander folgen können",
        ),
    ),
    Code.TRANSACTION_CLIENT: Meaning(
        _WARNING, Text("a transaction changes its client", "eine Transaktion wechselt die Kasse")
    ),
    Code.TRANSACTION_START: Meaning(
        _WARNING, Text("a transaction without its start", "eine Transaktion ohne ihren Beginn")
    ),
    Code.TRANSACTION_NUMBER: Meaning(
        _WARNING, Text("a transaction number was left out", "eine Transaktionsnummer wurde ausgelassen")
    ),
    Code.TRANSACTION_CUT: Meaning(
        _NOTE, Text("transactions that began before this part", "Transaktionen, die vor diesem Teil begannen")
    ),
    Code.TRANSACTION_OPEN: Meaning(_NOTE, Text("transactions that are not finished", "nicht beendete Transaktionen")),
    Code.CERTIFICATE_UNREADABLE: Meaning(_ERROR, Text("no readable certificate", "kein lesbares Zertifikat")),
    Code.CERTIFICATE_NAME: Meaning(
        _WARNING,
        Text(
            "the file name of a certificate is not the hash of its key",
            "der Dateiname eines Zertifikats ist nicht der Hash seines Schlüssels",
        ),
    ),
    Code.CERTIFICATE_FORM: Meaning(
        _NOTE,
        Text(
            "more than certificates in a certificate file, or in another form",
            "mehr als Zertifikate in einer Zertifikatsdatei, oder in anderer Form",
        ),
    ),
    Code.CERTIFICATE_EXPIRED: Meaning(
        _WARNING, Text("signed after the certificate had expired", "nach Ablauf des Zertifikats signiert")
    ),
    Code.CERTIFICATE_EARLY: Meaning(
        _WARNING, Text("signed before the certificate was valid", "vor Beginn der Gültigkeit des Zertifikats signiert")
    ),
    Code.CERTIFICATE_REVOKED: Meaning(
        _ERROR,
        Text(
            "signed when a certificate of the chain was already revoked",
            "signiert, als ein Zertifikat der Kette bereits gesperrt war",
        ),
    ),
    Code.CERTIFICATE_REVOKED_LATER: Meaning(
        _NOTE,
        Text(
            "a certificate of the chain was revoked after the last of these messages",
            "ein Zertifikat der Kette wurde nach der letzten dieser Nachrichten gesperrt",
        ),
    ),
    Code.REVOCATION_UNCHECKED: Meaning(
        _WARNING,
        Text(
            "revocation not checked: current revocation lists are missing (--crl, --fetch-crls)",
            "Sperrung ungeprüft: aktuelle Sperrlisten fehlen (--crl, --fetch-crls)",
        ),
    ),
    Code.CHAIN_BROKEN: Meaning(
        _ERROR, Text("the chain of certificates is not valid", "die Zertifikatskette ist nicht gültig")
    ),
    Code.CHAIN_INCOMPLETE: Meaning(
        _WARNING,
        Text(
            "the certificate comes without its issuers: chain not checked",
            "das Zertifikat kommt ohne seine Aussteller: Kette ungeprüft",
        ),
    ),
    Code.CHAIN_UNANCHORED: Meaning(
        _NOTE,
        Text(
            "root not checked: no trusted certificates were given (--trust)",
            "Wurzel ungeprüft: keine vertrauten Zertifikate angegeben (--trust)",
        ),
    ),
    Code.RECEIPT_UNREADABLE: Meaning(_ERROR, Text("no readable receipt code (V0)", "kein lesbarer Beleg-QR-Text (V0)")),
    Code.RECEIPT_FORM: Meaning(
        _NOTE, Text("the receipt code is not in standard form", "der Beleg-QR-Text hat nicht die Standardform")
    ),
    Code.ARCHIVE_GAP: Meaning(
        _ERROR,
        Text(
            "signature counters are missing from the archive, or are there twice",
            "dem Archiv fehlen Signaturzähler, oder sie sind doppelt",
        ),
    ),
    Code.ARCHIVE_FOREIGN: Meaning(
        _ERROR, Text("messages of another TSE in the archive", "Nachrichten einer anderen TSE im Archiv")
    ),
    Code.ARCHIVE_CHANGED: Meaning(
        _ERROR,
        Text(
            "a file of the archive is missing or not as it was written",
            "eine Datei des Archivs fehlt oder ist nicht mehr, wie sie geschrieben wurde",
        ),
    ),
    Code.PROCESSDATA_START: Meaning(
        _NOTE,
        Text(
            "a transaction was started with process type or data (DSFinV-K, annex I: empty)",
            "eine Transaktion begann mit Prozess-Typ oder -Daten (DSFinV-K, Anhang I: leer)",
        ),
    ),
    Code.PROCESSDATA_FORM: Meaning(
        _NOTE,
        Text(
            "process data do not have the form of their process type (DSFinV-K, annex I)",
            "Prozess-Daten haben nicht die Form ihres Prozess-Typs (DSFinV-K, Anhang I)",
        ),
    ),
    Code.DSFINVK_MISSING: Meaning(
        _ERROR,
        Text(
            "a row of the till for a transaction that is not in the exports of the TSE",
            "eine Zeile der Kasse zu einer Transaktion, die in den Exporten der TSE fehlt",
        ),
    ),
    Code.DSFINVK_EXTRA: Meaning(
        _ERROR,
        Text(
            "a signed transaction for which the till has no row",
            "eine signierte Transaktion, zu der die Kasse keine Zeile hat",
        ),
    ),
    Code.DSFINVK_DIFFERS: Meaning(
        _ERROR,
        Text("a row of the till says something else than was signed", "eine Zeile der Kasse weicht vom Signierten ab"),
    ),
    Code.DSFINVK_REPEATED: Meaning(
        _WARNING,
        Text("several rows of the till for one transaction", "mehrere Zeilen der Kasse zu einer Transaktion"),
    ),
    Code.DSFINVK_UNFINISHED: Meaning(
        _ERROR,
        Text(
            "a row of the till for a transaction that the TSE has not finished",
            "eine Zeile der Kasse zu einer Transaktion, die die TSE nicht beendet hat",
        ),
    ),
    Code.DSFINVK_TSE: Meaning(
        _ERROR,
        Text("tse.csv does not fit the TSE or its certificate", "tse.csv passt nicht zur TSE oder zu ihrem Zertifikat"),
    ),
    Code.DSFINVK_FORM: Meaning(
        _ERROR, Text("a row of the till that cannot be read", "eine Zeile der Kasse ist nicht lesbar")
    ),
    Code.DSFINVK_NO_EXPORT: Meaning(
        _WARNING,
        Text(
            "rows of a TSE of which no export was given: not compared",
            "Zeilen einer TSE, von der kein Export angegeben ist: unverglichen",
        ),
    ),
    Code.DSFINVK_UNSIGNED: Meaning(
        _WARNING,
        Text(
            "a receipt without signature, and no outage is recorded for its time (--outages)",
            "ein Beleg ohne Signatur, und zu seiner Zeit ist kein Ausfall aufgezeichnet (--outages)",
        ),
    ),
    Code.DSFINVK_OUTAGE: Meaning(
        _NOTE,
        Text(
            "a receipt without signature during a recorded outage",
            "ein Beleg ohne Signatur bei aufgezeichnetem Ausfall",
        ),
    ),
    Code.DSFINVK_OUTSIDE: Meaning(
        _NOTE,
        Text(
            "signed transactions of other tills or other times: no rows were looked for",
            "signierte Transaktionen anderer Kassen oder Zeiten: dazu wurden keine Zeilen gesucht",
        ),
    ),
}
