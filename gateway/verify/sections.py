"""What a report says about each file to people: its title, what was read, the findings, the result."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text
from gateway.verify.findings import Code, CounterSpan, FileReport, Findings, ReconcileReport, Severity
from gateway.verify.report import iso_time
from gateway.verify.texts import worst

SEVERITIES = {
    Severity.ERROR: Text("error", "Fehler"),
    Severity.WARNING: Text("warning", "Warnung"),
    Severity.NOTE: Text("note", "Hinweis"),
}

_NOT_COMPLETE = Text(
    "ERRORS: this file is not complete and correct", "FEHLER: diese Datei ist nicht vollständig und richtig"
)
_DIFFERENT = Text(
    "ERRORS: the till's export and what was signed do not agree",
    "FEHLER: der Export der Kasse und das Signierte stimmen nicht überein",
)
_WARNINGS = Text("warnings: please look at them", "Warnungen: bitte ansehen")
_NOTES = Text("in order, with notes", "in Ordnung, mit Hinweisen")
_IN_ORDER = Text("everything checked is in order", "alles Geprüfte ist in Ordnung")
_NOT_CHECKED = Text("; revocation not checked", "; Sperrung ungeprüft")
_COUNTS = Text(
    "{messages} messages: {valid} valid, {invalid} invalid, {unchecked} not checked",
    "{messages} Nachrichten: {valid} gültig, {invalid} ungültig, {unchecked} ungeprüft",
)
_SPAN = Text(
    "counters {first} - {last} ({count} messages{missing}), {earliest} - {latest}",
    "Zähler {first} - {last} ({count} Nachrichten{missing}), {earliest} - {latest}",
)
_MISSING = Text(", {count} missing", ", {count} fehlen")
_ROWS = Text(
    "{rows} rows of the till: {agreeing} as signed; {transactions} signed transactions compared with them",
    "{rows} Zeilen der Kasse: {agreeing} wie signiert; {transactions} signierte Transaktionen damit verglichen",
)


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One file of a report; `level` is how bad its `result` is, `None`: nothing was found."""

    title: str
    lines: tuple[str, ...]
    findings: Findings
    result: str
    level: Severity | None


def section_of(report: FileReport, locale: Locale) -> ReportSection:
    """Return what `verify` found in a file."""
    level = worst(report.findings, apart_from=Code.REVOCATION_UNCHECKED)
    result = _result(level, _NOT_COMPLETE, locale)
    if report.counts.messages and not report.revocation_checked:
        result += locale.text(_NOT_CHECKED)
        level = Severity.ERROR if level is Severity.ERROR else Severity.WARNING
    return ReportSection(report.file, tuple(_lines(report, locale)), report.findings, result, level)


def reconcile_section(report: ReconcileReport, title: str, locale: Locale) -> ReportSection:
    """Return what `reconcile` found in the files of a till."""
    level = worst(report.findings)
    rows = locale.text(_ROWS, rows=report.rows, agreeing=report.agreeing, transactions=report.transactions)
    return ReportSection(title, (rows,), report.findings, _result(level, _DIFFERENT, locale), level)


def _result(level: Severity | None, error: Text, locale: Locale) -> str:
    results = {Severity.ERROR: error, Severity.WARNING: _WARNINGS, Severity.NOTE: _NOTES}
    return locale.text(_IN_ORDER if level is None else results[level])


def _lines(report: FileReport, locale: Locale) -> Iterator[str]:
    yield locale.text(_COUNTS, **asdict(report.counts))
    for span in report.spans:
        yield f"TSE {span.serial.hex()}"
        yield f"    {_span(span, locale)}"


def _span(span: CounterSpan, locale: Locale) -> str:
    return locale.text(
        _SPAN,
        first=span.first_counter,
        last=span.last_counter,
        count=span.messages,
        missing=locale.text(_MISSING, count=span.missing) if span.missing else "",
        earliest=iso_time(span.earliest),
        latest=iso_time(span.latest),
    )
