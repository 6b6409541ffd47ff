"""The outage report to print and to calculate with. The page fetches nothing and runs nothing."""

import base64
import csv
import hashlib
import io
from datetime import UTC, datetime
from html import escape

from gateway import __version__
from gateway.fleet.outages.log import Outage
from gateway.i18n.negotiation import Language
from gateway.operations.outage_report import OutageReport
from gateway.server.api.outage_words import WORDS, Words, length, local, reason_text

_STYLE = """
body { font: 10pt/1.4 sans-serif; color: #000; background: #fff; margin: 2em auto; padding: 0 1em; max-width: 70em; }
h1 { font-size: 15pt; margin: 0; } .law { margin: 0 0 1.5em; }
dl { display: grid; grid-template-columns: max-content auto; gap: .2em 1.5em; }
dt { font-weight: bold; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; margin: 1.5em 0; } thead { display: table-header-group; }
th, td { border: 1px solid #888; padding: .3em .5em; text-align: left; vertical-align: top; } th { background: #eee; }
tr { break-inside: avoid; } .serial { font-family: monospace; overflow-wrap: anywhere; max-width: 18em; }
.number { text-align: right; } footer { font-size: 8.5pt; }
@page { size: A4 landscape; margin: 15mm; } @media print { body { margin: 0; padding: 0; max-width: none; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
# A decimal comma or point would be read differently by Excel in other countries: whole seconds are read alike.
_CSV_TIME = "%Y-%m-%d %H:%M:%S"
_CSV_COLUMNS = {
    "de": "Betriebsstätte;TSE-Seriennummer;Beginn;Ende;Beginn (UTC);Ende (UTC);"
    "Dauer in Sekunden;Grund;Grund in Worten;Abgewiesene Anfragen;Abgewiesene Kassen",
    "en": "Site;TSE serial number;Begin;End;Begin (UTC);End (UTC);"
    "Length in seconds;Reason;Reason in words;Refused requests;Refused tills",
}


def as_html(report: OutageReport, language: Language) -> str:
    """A whole page."""
    words = WORDS[language]
    facts = (
        (words.site, report.site or "-"),
        (words.tse, report.span.serial or words.all_tses),
        (words.span, _span(report, words)),
        (words.made, local(report.made).strftime(words.time)),
    )
    total = words.sum.format(
        count=len(report.outages),
        length=length(sum(outage.seconds(report.made) for outage in report.outages)),
        refused=sum(outage.refused for outage in report.outages),
    )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    body = f"{_table(report, language)}<p>{escape(total)}</p>" if report.outages else f"<p>{escape(words.none)}</p>"
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(words.title)}</title><style>{_STYLE}</style></head>\n"
        f'<body><h1>{escape(words.title)}</h1>\n<p class="law">{escape(words.law)}</p>\n<dl>{listed}</dl>\n{body}\n'
        f"<footer><p>{escape(words.note.format(version=__version__))}</p></footer></body></html>\n"
    )


def as_csv(report: OutageReport, language: Language) -> str:
    """For Excel as it is in Germany: semicolons, CRLF, a byte order mark, so that umlauts are read as UTF-8."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(_CSV_COLUMNS[language].split(";"))
    for outage in report.outages:
        writer.writerow(_csv_row(report, outage, language))
    return out.getvalue()


def _csv_row(report: OutageReport, outage: Outage, language: Language) -> tuple[object, ...]:
    ends = (outage.began, outage.ended)
    return (
        _harmless(report.site),
        outage.serial or WORDS[language].gateway,
        *("" if moment is None else local(moment).strftime(_CSV_TIME) for moment in ends),
        *("" if moment is None else datetime.fromtimestamp(moment, UTC).strftime(_CSV_TIME) for moment in ends),
        round(outage.seconds(report.made)),
        outage.reason,
        reason_text(outage.reason, language),
        outage.refused,
        outage.tills,
    )


def _harmless(text: str) -> str:
    """A name that looks like a formula must not become one."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


def _table(report: OutageReport, language: Language) -> str:
    words = WORDS[language]
    head = "".join(f"<th>{escape(column)}</th>" for column in words.columns)
    rows = "\n".join(_row(report, outage, language) for outage in report.outages)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"


def _row(report: OutageReport, outage: Outage, language: Language) -> str:
    words = WORDS[language]
    ended = words.lasts if outage.ended is None else local(outage.ended).strftime(words.time)
    return (
        f'<tr><td class="serial">{escape(outage.serial or words.gateway)}</td>'
        f"<td>{escape(local(outage.began).strftime(words.time))}</td><td>{escape(ended)}</td>"
        f"<td>{escape(length(outage.seconds(report.made)))}</td><td>{escape(reason_text(outage.reason, language))}</td>"
        f'<td class="number">{outage.refused}</td><td class="number">{outage.tills}</td></tr>'
    )


def _span(report: OutageReport, words: Words) -> str:
    span = report.span
    if span.since is None and span.until is None:
        return words.always
    begin = "…" if span.since is None else local(span.since).strftime(words.time)
    until = report.made if span.until is None else min(span.until, report.made)
    return f"{begin} - {local(until).strftime(words.time)}"
