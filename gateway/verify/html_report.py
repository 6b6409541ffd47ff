"""A report of `verify` or `reconcile` as a page to print; file names and details in it come from strangers."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import groupby

from gateway import __version__
from gateway.i18n.locales import Locale
from gateway.i18n.printed_page import facts, page, table
from gateway.i18n.text import Text
from gateway.verify.report import ListedFinding, listed
from gateway.verify.sections import SEVERITIES, ReportSection
from gateway.verify.texts import CLASSES, MEANINGS

_PLACES = 20  # of a finding

_TITLE = Text("Report on TSE data", "Prüfbericht zu TSE-Daten")
_SUBTITLE = Text(
    "Log messages of a technical security device, checked by the rules of BSI TR-03153 and DSFinV-K",
    "Log-Nachrichten einer technischen Sicherheitseinrichtung, geprüft nach BSI TR-03153 und DSFinV-K",
)
_MADE, _BY = Text("Made on", "Erstellt am"), Text("Checked by", "Geprüft mit")
_FILES = Text("Files", "Dateien")
_HEADS = (
    Text("No.", "Nr."),
    Text("Severity", "Schwere"),
    Text("Finding", "Befund"),
    Text("Count", "Anzahl"),
    Text("Places", "Fundstellen"),
)
_MORE = Text("and {count} more", "und {count} weitere")
_NOTE = Text(
    "The numbers before the headings are the classes of AmadeusVerify's messages of the same subject. Times are UTC.",
    "Die Nummern vor den Überschriften sind die Klassen, die AmadeusVerify für dasselbe Thema hat. Zeiten in UTC.",
)


def as_html(sections: Sequence[ReportSection], locale: Locale, made: datetime) -> str:
    """Return the report as one file that loads nothing and runs nothing."""
    known = (
        (locale.text(_MADE), locale.time(made.timestamp(), zone=True)),
        (locale.text(_BY), f"TSE-Gateway {__version__}"),
        (locale.text(_FILES), str(len(sections))),
    )
    body = "\n".join([facts(known), *(_section(one, locale) for one in sections)])
    return page(locale.text(_TITLE), locale.text(_SUBTITLE), body, locale.text(_NOTE), locale.language)


def _section(section: ReportSection, locale: Locale) -> str:
    lines = "<br>".join(escape(_readable(line)) for line in section.lines)
    tables = "\n".join(_tables(listed(section.findings), locale))
    result = f'<p class="result">{escape(section.result)}</p>'
    return f"<h2>{escape(_readable(section.title))}</h2>\n<p>{lines}</p>\n{result}\n{tables}"


def _tables(findings: Iterable[ListedFinding], locale: Locale) -> Iterator[str]:
    for subject, of_one in groupby(findings, key=lambda one: one.subject):
        yield f"<h3>{subject} {escape(locale.text(CLASSES[subject]))}</h3>"
        yield table(map(locale.text, _HEADS), (_row(one, locale) for one in of_one))


def _row(one: ListedFinding, locale: Locale) -> str:
    meaning, group = MEANINGS[one.code], one.group
    places = [escape(_readable(example.in_language(locale.language))) for example in group.examples[:_PLACES]]
    if group.count > len(places):
        places.append(escape(locale.text(_MORE, count=group.count - len(places))))
    return (
        f'<tr><td class="number">{one.number}</td><td>{escape(locale.text(SEVERITIES[meaning.severity]))}</td>'
        f"<td>{escape(locale.text(meaning.text))} ({one.code})</td>"
        f'<td class="number">{locale.number(group.count)}</td><td class="place">{"<br>".join(places)}</td></tr>'
    )


def _readable(text: str) -> str:
    """Return `text` with control characters and halves of characters, which no page may hold, escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
