"""The report on a file as plain data, for programs and for what an archive keeps."""

from datetime import UTC, datetime

from gateway.i18n.text import Language
from gateway.verify.findings import Code, CounterSpan, FileReport, Findings, Group, ReconcileReport
from gateway.verify.texts import MEANINGS, worst

_Json = dict[str, object]


def as_data(report: FileReport, language: Language) -> _Json:
    """Return a report as JSON data. Keys and codes are stable; the texts, in `language`, are not."""
    level = worst(report.findings)
    return {
        "file": report.file,
        "kind": report.kind.value,
        "messages": report.counts.messages,
        "valid": report.counts.valid,
        "invalid": report.counts.invalid,
        "unchecked": report.counts.unchecked,
        "severity": level.name.lower() if level else "ok",
        "revocation": "checked" if report.revocation_checked else "not checked",
        "findings": [_finding(code, group, language) for code, group in by_severity(report.findings)],
        "tses": [_span(span) for span in report.spans],
    }


def reconciled_as_data(report: ReconcileReport, language: Language) -> _Json:
    """Return a comparison with the till's export as JSON data; keys and codes are stable."""
    level = worst(report.findings)
    return {
        "rows": report.rows,
        "agreeing": report.agreeing,
        "transactions": report.transactions,
        "severity": level.name.lower() if level else "ok",
        "findings": [_finding(code, group, language) for code, group in by_severity(report.findings)],
    }


def by_severity(findings: Findings) -> list[tuple[Code, Group]]:
    """Return the findings, the worst first, otherwise in the order in which they were found."""
    return sorted(findings.items(), key=lambda item: -MEANINGS[item[0]].severity)


def iso_time(unix_time: int) -> str:
    """Return a moment in ISO 8601, UTC; the number itself when it lies outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(unix_time)


def _finding(code: Code, group: Group, language: Language) -> _Json:
    meaning = MEANINGS[code]
    return {
        "code": code.value,
        "severity": meaning.severity.name.lower(),
        "count": group.count,
        "text": meaning.text.in_language(language),
        "places": [{"place": example.place, "detail": example.detail} for example in group.examples],
    }


def _span(span: CounterSpan) -> _Json:
    return {
        "messages": span.messages,
        "first_counter": span.first_counter,
        "last_counter": span.last_counter,
        "missing": span.missing,
        "first_time": iso_time(span.earliest),
        "last_time": iso_time(span.latest),
        "whole": span.whole,
    }
