"""Findings of `verify` and `reconcile` for people at a terminal, and the exit status that tells how bad they are."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.cli.formatting import printable
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text

if TYPE_CHECKING:
    from rich.text import Text as Styled

    from gateway.verify.findings import Code, Findings, Group, Severity

CLEAN, WARNINGS, ERRORS, INTERRUPTED = 0, 1, 2, 130
STYLES = {"ERROR": "bold red", "WARNING": "yellow", "NOTE": "cyan"}

_EXAMPLES_SHOWN = 3
_SEVERITIES = {"ERROR": Text("error", "Fehler"), "WARNING": Text("warning", "Warnung"), "NOTE": Text("note", "Hinweis")}
_RESULTS = {
    "ERROR": Text(
        "ERRORS: this file is not complete and correct", "FEHLER: diese Datei ist nicht vollständig und richtig"
    ),
    "WARNING": Text("warnings: please look at them", "Warnungen: bitte ansehen"),
    "NOTE": Text("in order, with notes", "in Ordnung, mit Hinweisen"),
}
_IN_ORDER = Text("everything checked is in order", "alles Geprüfte ist in Ordnung")
_MORE = Text("and {count} more", "und {count} weitere")


def exit_status(findings: "Findings") -> int:
    """Return 0 for nothing or notes, 1 for warnings, 2 for errors."""
    from gateway.verify.findings import Severity
    from gateway.verify.texts import worst

    return {Severity.WARNING: WARNINGS, Severity.ERROR: ERRORS}.get(worst(findings) or Severity.NOTE, CLEAN)


def result_of(level: "Severity | None", locale: Locale, error: Text = _RESULTS["ERROR"]) -> tuple[str, str]:
    """Return the result for the worst severity, and its style; `error` says what errors mean here."""
    if level is None:
        return locale.text(_IN_ORDER), "green"
    return locale.text(error if level.name == "ERROR" else _RESULTS[level.name]), STYLES[level.name]


def finding_lines(findings: "Findings", locale: Locale) -> "Iterator[Styled]":
    """Yield each finding with some of its places, the worst first."""
    from gateway.verify.report import by_severity

    for code, group in by_severity(findings):
        yield _finding(code, group, locale)


def _finding(code: "Code", group: "Group", locale: Locale) -> "Styled":
    from rich.text import Text as Styled

    from gateway.verify.texts import MEANINGS

    meaning = MEANINGS[code]
    name = meaning.severity.name
    severity = f"{locale.text(_SEVERITIES[name]):8}"
    lines = Styled.assemble("  ", (severity, STYLES[name]), f"{locale.text(meaning.text)} ({code})")
    if group.count > 1:
        lines.append(f", {group.count} x")
    for example in group.examples[:_EXAMPLES_SHOWN]:
        lines.append(f"\n          {printable(f'{example.place}  {example.detail}')}".rstrip(), style="dim")
    if group.count > _EXAMPLES_SHOWN:
        lines.append(f"\n          {locale.text(_MORE, count=group.count - _EXAMPLES_SHOWN)}", style="dim")
    return lines
