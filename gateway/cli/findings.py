"""Reports of `verify` and `reconcile`: for people at a terminal, as a page; the exit status tells how bad it is."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.formatting import printable
from gateway.cli.help import both
from gateway.errors import ConfigurationError
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text, reason_of

if TYPE_CHECKING:
    from rich.text import Text as Styled

    from gateway.verify.findings import Findings
    from gateway.verify.report import ListedFinding
    from gateway.verify.sections import ReportSection

CLEAN, WARNINGS, ERRORS, INTERRUPTED = 0, 1, 2, 130

HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help=both(
            "Write the report as a page to print into this file.",
            "Den Bericht als Seite zum Drucken in diese Datei schreiben.",
        ),
    ),
]

_STYLES = {"ERROR": "bold red", "WARNING": "yellow", "NOTE": "cyan"}
_EXAMPLES_SHOWN = 3
_MORE = Text("and {count} more", "und {count} weitere")


def exit_status(findings: "Findings") -> int:
    """Return 0 for nothing or notes, 1 for warnings, 2 for errors."""
    from gateway.verify.findings import Severity
    from gateway.verify.texts import worst

    return {Severity.WARNING: WARNINGS, Severity.ERROR: ERRORS}.get(worst(findings) or Severity.NOTE, CLEAN)


def write_page(file: Path, sections: "Sequence[ReportSection]", locale: Locale) -> None:
    """Write a report as a page to print.

    Raises:
        ConfigurationError: it cannot be written.
    """
    from gateway.verify.html_report import as_html

    try:
        file.write_text(as_html(sections, locale, datetime.now(UTC)), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            Text("{file} cannot be written: {reason}", "{file} lässt sich nicht schreiben: {reason}"),
            file=file,
            reason=reason_of(error),
        ) from None


def section_lines(section: "ReportSection", locale: Locale) -> "Iterator[Styled]":
    """Yield the lines of one file; findings by class, with some of their places."""
    from rich.text import Text as Styled

    from gateway.verify.report import listed
    from gateway.verify.texts import CLASSES

    yield Styled(printable(section.title), style="bold")
    yield from (Styled(f"  {line}") for line in section.lines)
    subject = None
    for one in listed(section.findings):
        if one.subject is not subject:
            subject = one.subject
            yield Styled(f"  {subject}  {locale.text(CLASSES[subject])}", style="bold")
        yield _finding(one, locale)
    yield Styled(f"  => {section.result}", style="green" if section.level is None else _STYLES[section.level.name])


def _finding(one: "ListedFinding", locale: Locale) -> "Styled":
    from rich.text import Text as Styled

    from gateway.verify.sections import SEVERITIES
    from gateway.verify.texts import MEANINGS

    meaning, group = MEANINGS[one.code], one.group
    severity = f"{locale.text(SEVERITIES[meaning.severity]):8}"
    lines = Styled.assemble(f"  {one.number:3}  ", (severity, _STYLES[meaning.severity.name]))
    lines.append(f"{locale.text(meaning.text)} ({one.code})")
    if group.count > 1:
        lines.append(f", {group.count} x")
    for example in group.examples[:_EXAMPLES_SHOWN]:
        lines.append(f"\n            {printable(example.in_language(locale.language))}", style="dim")
    if group.count > _EXAMPLES_SHOWN:
        lines.append(f"\n            {locale.text(_MORE, count=group.count - _EXAMPLES_SHOWN)}", style="dim")
    return lines
