"""Shows what was found: lines for people in English or German, plain data for programs."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from gateway.verify.findings import Code, FileReport, Findings, Group, Severity, Span
from gateway.verify.texts import MEANINGS, worst

SHOWN_EXAMPLES = 3

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "messages": "{messages} messages: {valid} valid, {invalid} invalid, {unchecked} not checked",
        "ERROR": "error",
        "WARNING": "warning",
        "NOTE": "note",
        "good": "everything checked is in order",
        "notes": "in order, with notes",
        "warnings": "warnings: a person should look",
        "errors": "ERRORS: this file proves less than it claims",
        "more": "and {count} more",
        "missing": "{count} missing",
        "counters": "counters",
        "count": "messages",
    },
    "de": {
        "messages": "{messages} Nachrichten: {valid} gültig, {invalid} ungültig, {unchecked} ungeprüft",
        "ERROR": "Fehler",
        "WARNING": "Warnung",
        "NOTE": "Hinweis",
        "good": "alles Geprüfte ist in Ordnung",
        "notes": "in Ordnung, mit Hinweisen",
        "warnings": "Warnungen: ein Mensch sollte nachsehen",
        "errors": "FEHLER: diese Datei beweist weniger, als sie behauptet",
        "more": "und {count} weitere",
        "missing": "{count} fehlen",
        "counters": "Zähler",
        "count": "Nachrichten",
    },
}
_OUTCOMES = {None: "good", Severity.NOTE: "notes", Severity.WARNING: "warnings", Severity.ERROR: "errors"}
_Json = dict[str, object]


def print_report(report: FileReport, language: str, console: Console) -> None:
    """For people; `language` is en or de."""
    words = _WORDS[language]
    level = worst(report.findings)
    verdict = report.verdict
    counts = words["messages"].format(
        messages=verdict.messages, valid=verdict.valid, invalid=verdict.invalid, unchecked=verdict.unchecked
    )
    lines = [Text(shown(report.file), style="bold"), Text(f"  {counts}")]
    lines += [_span_lines(span, words) for span in report.spans]
    lines += [_finding_lines(code, found, language, words) for code, found in ordered(report.findings)]
    lines.append(Text(f"  => {words[_OUTCOMES[level]]}", style=_STYLES[level] if level else "green"))
    for line in lines:
        console.print(line, soft_wrap=True)


def shown(text: str) -> str:
    """Names come from strangers: what would command the terminal is shown as its escape."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def as_data(report: FileReport, language: str) -> _Json:
    """For programs; the keys and codes are stable, the texts are not."""
    level = worst(report.findings)
    return {
        "file": report.file,
        "kind": report.kind.value,
        "messages": report.verdict.messages,
        "valid": report.verdict.valid,
        "invalid": report.verdict.invalid,
        "unchecked": report.verdict.unchecked,
        "severity": level.name.lower() if level else "ok",
        "findings": [_finding(code, found, language) for code, found in ordered(report.findings)],
        "tses": [_span(span) for span in report.spans],
    }


def ordered(findings: Findings) -> list[tuple[Code, Group]]:
    """The worst first, otherwise as found."""
    return sorted(findings.items(), key=lambda item: -MEANINGS[item[0]].severity)


def _span_lines(span: Span, words: Mapping[str, str]) -> Text:
    gaps = f", {words['missing'].format(count=span.missing)}" if span.missing else ""
    return Text(
        f"  TSE {span.serial.hex()}\n"
        f"      {words['counters']} {span.first_counter} - {span.last_counter}"
        f" ({span.messages} {words['count']}{gaps}), {_time(span.earliest)} - {_time(span.latest)}"
    )


def _finding_lines(code: Code, found: Group, language: str, words: Mapping[str, str]) -> Text:
    meaning = MEANINGS[code]
    word = words[meaning.severity.name]
    lines = Text.assemble("  ", (f"{word:8}", _STYLES[meaning.severity]), f"{meaning.text(language)} ({code})")
    if found.count > 1:
        lines.append(f", {found.count} x")
    for one in found.examples[:SHOWN_EXAMPLES]:
        lines.append(f"\n          {shown(f'{one.place}  {one.detail}')}".rstrip(), style="dim")
    if found.count > SHOWN_EXAMPLES:
        lines.append(f"\n          {words['more'].format(count=found.count - SHOWN_EXAMPLES)}", style="dim")
    return lines


def _finding(code: Code, found: Group, language: str) -> _Json:
    meaning = MEANINGS[code]
    return {
        "code": code.value,
        "severity": meaning.severity.name.lower(),
        "count": found.count,
        "text": meaning.text(language),
        "places": [{"place": one.place, "detail": one.detail} for one in found.examples],
    }


def _span(span: Span) -> _Json:
    return {
        "messages": span.messages,
        "first_counter": span.first_counter,
        "last_counter": span.last_counter,
        "missing": span.missing,
        "first_time": _time(span.earliest),
        "last_time": _time(span.latest),
        "whole": span.whole,
    }


def _time(unix_time: int) -> str:
    """ISO 8601; the number itself when it lies beyond all calendars."""
    try:
        return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(unix_time)
