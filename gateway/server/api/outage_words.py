"""The outage report in German and English: reasons, headings, moments, lengths."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.fleet.outages.log import CRASHED, STOPPED
from gateway.fleet.status.readiness import ABSENT, TEXTS
from gateway.i18n.negotiation import Language

_GERMAN = {
    "unplugged": "die TSE wurde abgezogen",
    "device_gone": "die TSE ist nicht erreichbar",
    "device_timeout": "die TSE antwortet nicht",
    "device_error": "die TSE arbeitet nicht",
    "response_missing": "die TSE hat auf etwas anderes geantwortet",
    "power_cycle": "die TSE war ohne Strom",
    "protocol_error": "die TSE antwortet unverständlich",
    "stopped": "das Gateway wird beendet",
    "decommissioned": "die TSE ist außer Betrieb genommen",
    "not_set_up": "die TSE ist noch nicht eingerichtet",
    "certificate_expired": "das Zertifikat der TSE ist abgelaufen",
    "no_signatures_left": "die TSE hat alle ihre Signaturen erzeugt",
    "no_self_test": "der Selbsttest der TSE steht aus",
    "store_full": "der Speicher der TSE ist voll",
    "signing_off": "das Signieren ist abgeschaltet (CTSS)",
    "no_time": "die TSE braucht die Uhrzeit",
    ABSENT: "die TSE fehlt seit dem Start des Gateways",
    STOPPED: "das Gateway war beendet",
    CRASHED: "das Gateway lief nicht (Absturz oder Stromausfall)",
}
_ENGLISH = {
    **TEXTS,
    STOPPED: "the gateway was stopped",
    CRASHED: "the gateway did not run (crash or power cut)",
}
_REASONS: Mapping[Language, Mapping[str, str]] = {"de": _GERMAN, "en": _ENGLISH}


@dataclass(frozen=True, slots=True)
class Words:
    """What stands on the page beside the data; `columns` are those of the table."""

    title: str
    law: str
    site: str
    made: str
    span: str
    always: str
    tse: str
    all_tses: str
    gateway: str
    lasts: str
    none: str
    sum: str
    note: str
    columns: tuple[str, ...]
    time: str


WORDS: Mapping[Language, Words] = {
    "de": Words(
        title="Ausfälle der technischen Sicherheitseinrichtung (TSE)",
        law="Dokumentation von Ausfallzeiten und Ausfallgrund nach AEAO zu § 146a AO, Nr. 1.14.1",
        site="Betriebsstätte",
        made="Erstellt am",
        span="Zeitraum",
        always="seit Beginn der Aufzeichnung",
        tse="TSE-Seriennummer",
        all_tses="alle TSEs dieses Gateways",
        gateway="alle (Gateway)",
        lasts="dauert an",
        none="In diesem Zeitraum ist kein Ausfall aufgezeichnet.",
        sum="Ausfälle: {count}, Gesamtdauer: {length}, abgewiesene Anfragen: {refused}",
        note=(
            "Automatisch aufgezeichnet vom TSE-Gateway {version}. Alle Zeiten sind Ortszeit des Gateways. "
            "Abgewiesene Anfragen: Anfragen von Kassen, die während des Ausfalls mit einem Fehler beantwortet wurden; "
            "abgewiesene Kassen: von wie vielen Netzwerkadressen sie kamen. "
            "Es wurde nichts zum späteren Signieren zurückgestellt. "
            "Zeiten, in denen das Gateway nicht lief, gelten für alle TSEs; Anfragen konnte es dann nicht zählen."
        ),
        columns=("TSE-Seriennummer", "Beginn", "Ende", "Dauer", "Grund", "Abgewiesene Anfragen", "Abgewiesene Kassen"),
        time="%d.%m.%Y %H:%M:%S %Z",
    ),
    "en": Words(
        title="Outages of the technical security device (TSE)",
        law="Times and reasons of outages as demanded by AEAO on section 146a AO, no. 1.14.1",
        site="Site",
        made="Made on",
        span="Period",
        always="since the record began",
        tse="TSE serial number",
        all_tses="all TSEs of this gateway",
        gateway="all (gateway)",
        lasts="lasts",
        none="No outage is recorded in this period.",
        sum="Outages: {count}, total length: {length}, refused requests: {refused}",
        note=(
            "Recorded automatically by TSE gateway {version}. All times are local time of the gateway. "
            "Refused requests: requests of tills that were answered with an error during the outage; "
            "refused tills: from how many network addresses they came. "
            "Nothing was kept for later signing. "
            "Times in which the gateway did not run apply to all TSEs; it could not count requests then."
        ),
        columns=("TSE serial number", "Begin", "End", "Length", "Reason", "Refused requests", "Refused tills"),
        time="%Y-%m-%d %H:%M:%S %Z",
    ),
}


def reason_text(reason: str, language: Language) -> str:
    """In words; a reason that nobody knows stays as it is."""
    return _REASONS[language].get(reason, reason)


def local(moment: float) -> datetime:
    """In the time zone of the gateway."""
    return datetime.fromtimestamp(moment, UTC).astimezone()


def length(seconds: float) -> str:
    """As `1 d 2 h 3 min 4 s`; the same in both languages."""
    rest = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join([*parts, f"{rest} s"])
