"""The outage report as a page to print and as a table for spreadsheets, in German or English.

AEAO on section 146a AO, no. 1.14.1, wants the times and reasons of outages documented. The page loads and runs nothing.
"""

import csv
import io
from datetime import UTC, datetime
from html import escape

from gateway import __version__
from gateway.fleet.outages.log import Outage
from gateway.i18n.locales import Locale, local
from gateway.i18n.printed_page import STYLE_HASH, facts, page, table
from gateway.i18n.remedies import reason_text
from gateway.i18n.text import Language, Text
from gateway.operations.outage_report import OutageReport

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
# Spreadsheets in each country read whole seconds and such times alike; a decimal comma or point they do not.
_CSV_TIME = "%Y-%m-%d %H:%M:%S"

_TITLE = Text("Outages of the technical security device (TSE)", "Ausfälle der technischen Sicherheitseinrichtung (TSE)")
_LAW = Text(
    "Times and reasons of outages as demanded by AEAO on section 146a AO, no. 1.14.1",
    "Dokumentation von Ausfallzeiten und Ausfallgrund nach AEAO zu § 146a AO, Nr. 1.14.1",
)
_SITE = Text("Site", "Betriebsstätte")
_SERIAL = Text("TSE serial number", "TSE-Seriennummer")
_PERIOD = Text("Period", "Zeitraum")
_MADE = Text("Made on", "Erstellt am")
_BEGIN = Text("Begin", "Beginn")
_END = Text("End", "Ende")
_LENGTH = Text("Length", "Dauer")
_REASON = Text("Reason", "Grund")
_REFUSED = Text("Refused requests", "Abgewiesene Anfragen")
_REFUSED_TILLS = Text("Refused tills", "Abgewiesene Kassen")
_COLUMNS = (_SERIAL, _BEGIN, _END, _LENGTH, _REASON, _REFUSED, _REFUSED_TILLS)
_CSV_COLUMNS = (
    _SITE,
    _SERIAL,
    _BEGIN,
    _END,
    Text("Begin (UTC)", "Beginn (UTC)"),
    Text("End (UTC)", "Ende (UTC)"),
    Text("Length in seconds", "Dauer in Sekunden"),
    _REASON,
    Text("Reason in words", "Grund in Worten"),
    _REFUSED,
    _REFUSED_TILLS,
)
_FROM_THE_BEGINNING = Text("since the record began", "seit Beginn der Aufzeichnung")
_ALL_TSES = Text("all TSEs of this gateway", "alle TSEs dieses Gateways")
_GATEWAY = Text("all (gateway)", "alle (Gateway)")
_LASTS = Text("lasts", "dauert an")
_NONE = Text("No outage is recorded in this period.", "In diesem Zeitraum ist kein Ausfall aufgezeichnet.")
_SUM = Text(
    "Outages: {count}, total length: {length}, refused requests: {refused}",
    "Ausfälle: {count}, Gesamtdauer: {length}, abgewiesene Anfragen: {refused}",
)
_NOTE = Text(
    "Recorded automatically by TSE gateway {version}. All times are local time of the gateway. "
    "Refused requests: requests of tills that were answered with an error during the outage; "
    "refused tills: from how many network addresses they came. "
    "Nothing was kept for later signing. "
    "Times in which the gateway did not run apply to all TSEs; it could not count requests then.",
    "Automatisch aufgezeichnet vom TSE-Gateway {version}. Alle Zeiten sind Ortszeit des Gateways. "
    "Abgewiesene Anfragen: Anfragen von Kassen, die während des Ausfalls mit einem Fehler beantwortet wurden; "
    "abgewiesene Kassen: von wie vielen Netzwerkadressen sie kamen. "
    "Es wurde nichts zum späteren Signieren zurückgestellt. "
    "Zeiten, in denen das Gateway nicht lief, gelten für alle TSEs; Anfragen konnte es dann nicht zählen.",
)


def as_html(report: OutageReport, language: Language) -> str:
    """Return the report as a whole page to print."""
    locale = Locale(language)
    known: tuple[tuple[Text, str], ...] = (
        (_SITE, report.site or "-"),
        (_SERIAL, report.span.serial or locale.text(_ALL_TSES)),
        (_PERIOD, _period(report, locale)),
        (_MADE, locale.time(report.made, zone=True)),
    )
    body = _table(report, locale) if report.outages else f"<p>{escape(locale.text(_NONE))}</p>"
    title, note = locale.text(_TITLE), locale.text(_NOTE, version=__version__)
    return page(
        title,
        locale.text(_LAW),
        f"{facts((locale.text(name), value) for name, value in known)}\n{body}",
        note,
        language,
    )


def as_csv(report: OutageReport, language: Language) -> str:
    """Return the report for Excel in Germany: semicolons, CRLF, and a byte order mark, so that it is read as UTF-8."""
    locale, out = Locale(language), io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(map(locale.text, _CSV_COLUMNS))
    for outage in report.outages:
        writer.writerow(_csv_row(report, outage, locale))
    return out.getvalue()


def duration(seconds: float) -> str:
    """Return a duration to the second, as `1 d 2 h 3 min 4 s` in both languages."""
    rest = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join([*parts, f"{rest} s"])


def _table(report: OutageReport, locale: Locale) -> str:
    rows = table(map(locale.text, _COLUMNS), (_row(report, outage, locale) for outage in report.outages))
    outages = [outage for outage in report.outages if not outage.served_by]
    total = locale.text(
        _SUM,
        count=len(outages),
        length=duration(sum(outage.seconds(report.made) for outage in outages)),
        refused=sum(outage.refused for outage in report.outages),
    )
    return f"{rows}<p>{escape(total)}</p>"


def _row(report: OutageReport, outage: Outage, locale: Locale) -> str:
    ended = locale.text(_LASTS) if outage.ended is None else locale.time(outage.ended, zone=True)
    cells = (
        locale.time(outage.began, zone=True),
        ended,
        duration(outage.seconds(report.made)),
        reason_text(outage.reason, locale.language, outage.served_by),
    )
    return (
        f'<tr><td class="serial">{escape(outage.serial or locale.text(_GATEWAY))}</td>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}"
        f'<td class="number">{outage.refused}</td><td class="number">{outage.tills}</td></tr>'
    )


def _csv_row(report: OutageReport, outage: Outage, locale: Locale) -> tuple[object, ...]:
    ends = (outage.began, outage.ended)
    return (
        _no_formula(report.site),
        outage.serial or locale.text(_GATEWAY),
        *("" if moment is None else local(moment).strftime(_CSV_TIME) for moment in ends),
        *("" if moment is None else datetime.fromtimestamp(moment, UTC).strftime(_CSV_TIME) for moment in ends),
        round(outage.seconds(report.made)),
        outage.reason,
        reason_text(outage.reason, locale.language, outage.served_by),
        outage.refused,
        outage.tills,
    )


def _no_formula(text: str) -> str:
    """Return a name so that a spreadsheet does not take it for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


def _period(report: OutageReport, locale: Locale) -> str:
    span = report.span
    if span.since is None and span.until is None:
        return locale.text(_FROM_THE_BEGINNING)
    begin = "…" if span.since is None else locale.time(span.since, zone=True)
    until = report.made if span.until is None else min(span.until, report.made)
    return f"{begin} - {locale.time(until, zone=True)}"
