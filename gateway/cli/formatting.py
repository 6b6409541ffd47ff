"""Texts and times for people at a terminal: the facts of a TSE, days and times they type, printable names."""

import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, TextIO

import typer

from gateway.cli.help import both
from gateway.i18n.text import Language, Text

_TseAnswer = Mapping[str, Any]  # of GET /api/v1/tses/{serial}

FILE_WRITTEN = Text("{file}: {size} bytes, SHA-256 {sha256}", "{file}: {size} Bytes, SHA-256 {sha256}")
FILE_EXISTS = Text(
    "{file} exists already: name another one by --output", "{file} gibt es schon: mit --output anders nennen"
)
_YES, _NO = Text("yes", "ja"), Text("no", "nein")
_LIVES = {
    "uninitialized": Text("fresh, not set up", "frisch, nicht eingerichtet"),
    "initialized": Text("in service", "in Betrieb"),
    "decommissioned": Text("out of service for good", "endgültig außer Betrieb"),
}
_CERTIFICATE = Text("certificate", "Zertifikat")
_LINES: tuple[tuple[Text, Text, Callable[[_TseAnswer], dict[str, Any]]], ...] = (
    (
        Text("serial", "Seriennummer"),
        Text("{serial} (check digits {digits})", "{serial} (Prüfziffern {digits})"),
        lambda tse: {"serial": tse["serial"], "digits": tse["serial_check_digits"]},
    ),
    (
        Text("kind", "Art"),
        Text("{kind}, firmware {firmware}, {form}", "{kind}, Firmware {firmware}, {form}"),
        lambda tse: {"kind": tse["description"], "firmware": tse["software_version"], "form": tse["form_factor"]},
    ),
    (
        Text("place", "Ort"),
        Text("{place}: {state}", "{place}: {state}"),
        lambda tse: {"place": tse["place"], "state": tse["reason"] or tse["state"]},
    ),
    (
        _CERTIFICATE,
        Text("until {until}, {days} days left", "bis {until}, noch {days} Tage"),
        lambda tse: {"until": str(tse["certificate_expires"])[:10], "days": tse["certificate_days_left"]},
    ),
    (
        Text("signatures", "Signaturen"),
        Text("{made} made, {left} left ({percent} %)", "{made} erstellt, noch {left} ({percent} %)"),
        lambda tse: {
            "made": tse["created_signatures"],
            "left": tse["remaining_signatures"],
            "percent": round(tse["signatures_left_percent"], 1),
        },
    ),
    (
        Text("store", "Speicher"),
        Text("{percent} % used", "{percent} % belegt"),
        lambda tse: {"percent": round(tse["store_used_percent"], 1)},
    ),
    (
        Text("clients", "Kassen"),
        Text("{count} of {most} registered", "{count} von {most} angemeldet"),
        lambda tse: {"count": tse["registered_clients"], "most": tse["max_registered_clients"]},
    ),
    (
        Text("open transactions", "offene Transaktionen"),
        Text("{count} of {most}", "{count} von {most}"),
        lambda tse: {"count": tse["open_transactions"], "most": tse["max_open_transactions"]},
    ),
)
_PRODUCT = Text("product certified until", "Produkt zertifiziert bis")
_UNKNOWN = Text("unknown", "unbekannt")
_FIRMWARE_UNKNOWN = Text(
    "{until} (whether with this firmware is unknown)", "{until} (ob mit dieser Firmware, ist unbekannt)"
)
_OLD_TILLS = Text("tills with older software", "Kassen mit älterer Software")
_TRANSLATED = Text(
    "their commands are translated; what that means for the certification, the maker of the POS must say",
    "ihre Befehle werden übersetzt; was das für die Zertifizierung heißt, muss der Kassenhersteller sagen",
)
_LOGGED_IN = Text("logged in", "angemeldet")
_PUK_PAUSE = Text("PUK refused for {seconds} s", "PUK gesperrt für {seconds} s")
_SELF_TEST = Text("self test", "Selbsttest")
_PASSED = Text("passed, next in {hours} h", "bestanden, nächster in {hours} h")
_MISSING = Text("missing", "fehlt")
_TIME, _LIFE, _PINS = (
    Text("has the time", "hat die Zeit"),
    Text("life cycle", "Lebenszyklus"),
    Text("PIN tries left", "PIN-Versuche"),
)


def lines(tse: _TseAnswer, language: Language) -> Iterator[tuple[str, str]]:
    """Return names and values of the facts of a TSE in `language`."""
    (name, text, values), *others = _LINES
    yield name.in_language(language), text.in_language(language, **values(tse))
    life = _LIVES.get(tse["lifecycle"])
    yield _LIFE.in_language(language), life.in_language(language) if life else str(tse["lifecycle"])
    for name, text, values in others:
        yield name.in_language(language), text.in_language(language, **values(tse))
        if name is _CERTIFICATE:
            yield _PRODUCT.in_language(language), _product(tse, language)
    passed = _PASSED.in_language(language, hours=tse["self_test_due_seconds"] // 3600)
    yield _SELF_TEST.in_language(language), passed if tse["self_test_passed"] else _MISSING.in_language(language)
    yield _TIME.in_language(language), (_YES if tse["valid_time"] else _NO).in_language(language)
    for user, left in tse["pin_tries_left"].items():
        yield f"{_PINS.in_language(language)} ({user})", str(left)
    for user, seconds in tse["puk_blocked_seconds"].items():
        yield f"PUK ({user})", _PUK_PAUSE.in_language(language, seconds=seconds)
    if tse["logged_in_user"]:
        yield _LOGGED_IN.in_language(language), str(tse["logged_in_user"])
    if tse["old_tills"]:
        yield _OLD_TILLS.in_language(language), _TRANSLATED.in_language(language)


def _product(tse: _TseAnswer, language: Language) -> str:
    until = tse["product_certified_until"]
    if until is None:
        return _UNKNOWN.in_language(language)
    return str(until) if tse["firmware_known"] else _FIRMWARE_UNKNOWN.in_language(language, until=until)


def unix_time(text: str, *, end: bool) -> int:
    """Return the Unix seconds of a local day (its begin, or its `end`) or moment.

    Raises:
        typer.BadParameter: it is neither.
    """
    try:
        if "T" in text or " " in text:
            return int(datetime.fromisoformat(text).astimezone().timestamp())
        day = date.fromisoformat(text) + timedelta(days=int(end))
    except ValueError:
        raise typer.BadParameter(
            both(
                f"{text!r} is neither a day (2026-01-31) nor a moment (2026-01-31T08:00)",
                f"{text!r} ist weder ein Tag (2026-01-31) noch ein Zeitpunkt (2026-01-31T08:00)",
            )
        ) from None
    return int(datetime.combine(day, time()).astimezone().timestamp()) - int(end)


def local_time(moment: str | None) -> str:
    """Return an ISO 8601 moment of the API in local time; an empty text for None."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def printable(text: str) -> str:
    """Return `text` with control characters escaped: names come from strangers and must not command the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def wrapped(text: str, stream: TextIO) -> str:
    """Return `text` with its lines broken between words, as wide as the terminal that `stream` is; else as it is."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
