"""Reports of `verify` and `reconcile`: for people at a terminal, as a page; the exit status tells how bad it is."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.formatting import printable
from gateway.cli.help import both
from gateway.cli.output import STANDARD, check, opened
from gateway.errors import GatewayError
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
            "Write the report as a page to print into this file; - is standard output.",
            "Den Bericht als Seite zum Drucken in diese Datei schreiben; - ist die Standardausgabe.",
        ),
    ),
]

_STYLES = {"ERROR": "bold red", "WARNING": "yellow", "NOTE": "cyan"}
_EXAMPLES_SHOWN = 3
_UNREADABLE = Text("{file} cannot be read: {reason}", "{file} ist nicht lesbar: {reason}")
_MORE = Text("and {count} more", "und {count} weitere")


def exit_status(findings: "Findings") -> int:
    """Return 0 for nothing or notes, 1 for warnings, 2 for errors."""
    from gateway.verify.findings import Severity
    from gateway.verify.texts import worst

    return {Severity.WARNING: WARNINGS, Severity.ERROR: ERRORS}.get(worst(findings) or Severity.NOTE, CLEAN)


class Report:
    """The report of `verify` or `reconcile`: lines for people as files are done; JSON or a page at the end.

    What is said besides a page on standard output goes to standard error.
    """

    def __init__(self, locale: Locale, *, as_json: bool, html: Path | None) -> None:
        self._locale = locale
        self._as_json = as_json
        self._html = None if html is None else check(html, text=True)
        self._to = sys.stderr if html == STANDARD else sys.stdout
        self._sections: list[ReportSection] = []

    def add(self, section: "ReportSection") -> None:
        """Print what was found in one file, unless JSON is wanted."""
        self._sections.append(section)
        if self._as_json:
            return
        from rich.console import Console
        from rich.padding import Padding

        console = Console(file=self._to, highlight=False)
        for line in (line for part in _section_lines(section, self._locale) for line in part.split()):
            indent = len(line.plain) - len(line.plain.lstrip())
            if self._to.isatty():
                console.print(Padding(line[indent:], (0, 0, 0, indent), expand=False))
            else:
                console.print(line, soft_wrap=True)

    def end(self, data: object) -> None:
        """Write the page, and `data` as JSON, if they are wanted.

        Raises:
            ConfigurationError: the page cannot be written.
        """
        if self._html is not None:
            from gateway.verify.html_report import as_html

            with opened(self._html) as out:
                out.write(as_html(self._sections, self._locale, datetime.now(UTC)).encode())
        if self._as_json:
            print(json.dumps(data, indent=2), file=self._to)


def concluded(locale: Locale, work: Callable[[], int]) -> int:
    """Return the exit status of `work`: also if it could not be done, which is told in one line, or Ctrl-C ended it."""
    try:
        return work()
    except GatewayError as error:
        said = error.in_language(locale.language)
    except OSError as error:
        said = locale.text(_UNREADABLE, file=error.filename, reason=reason_of(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    sys.stderr.write(f"tse-gateway: {said}\n")
    return ERRORS


def _section_lines(section: "ReportSection", locale: Locale) -> "Iterator[Styled]":
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
