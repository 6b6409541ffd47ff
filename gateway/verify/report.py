"""The report on a file as plain data, for programs and for what an archive keeps."""

from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.i18n.text import Language
from gateway.verify.findings import Code, CounterSpan, FileReport, FindingClass, Findings, Group, ReconcileReport
from gateway.verify.texts import MEANINGS, class_of, worst

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
        "findings": [_finding(one, language) for one in listed(report.findings)],
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
        "findings": [_finding(one, language) for one in listed(report.findings)],
    }


@dataclass(frozen=True, slots=True)
class ListedFinding:
    """A finding as a report lists it; numbers begin with 1."""

    number: int
    subject: FindingClass
    code: Code
    group: Group


def listed(findings: Findings) -> list[ListedFinding]:
    """Return the findings by class, in each the worst first, otherwise in the order in which they were found."""
    classes = list(FindingClass)
    ordered = sorted(findings.items(), key=lambda item: (classes.index(class_of(item[0])), -MEANINGS[item[0]].severity))
    return [ListedFinding(number, class_of(code), code, group) for number, (code, group) in enumerate(ordered, start=1)]


def iso_time(unix_time: int) -> str:
    """Return a moment in ISO 8601, UTC; the number itself when it lies outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(unix_time)


def _finding(one: ListedFinding, language: Language) -> _Json:
    meaning, group = MEANINGS[one.code], one.group
    return {
        "number": one.number,
        "class": one.subject.value,
        "code": one.code.value,
        "severity": meaning.severity.name.lower(),
        "count": group.count,
        "text": meaning.text.in_language(language),
        "places": [
            {"place": example.place.in_language(language), "detail": example.detail.in_language(language)}
            for example in group.examples
        ],
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
