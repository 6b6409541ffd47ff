"""Texts and times for people at a terminal: the facts of a TSE, days and times they type, printable names."""

import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, TextIO

import typer

from gateway.cli.help import both
from gateway.i18n.locales import Locale
from gateway.i18n.text import Text

_TseAnswer = Mapping[str, Any]  # of GET /api/v1/tses/{serial}

FILE_WRITTEN = Text("{file}: {size} bytes, SHA-256 {sha256}", "{file}: {size} Bytes, SHA-256 {sha256}")
_YES, _NO = Text("yes", "ja"), Text("no", "nein")
_LIVES = {
    "uninitialized": Text("fresh, not set up", "frisch, nicht eingerichtet"),
    "initialized": Text("in service", "in Betrieb"),
    "decommissioned": Text("out of service for good", "endgültig außer Betrieb"),
}
_STATES = {
    "ready": Text("can sign", "kann signieren"),
    "not_ready": Text("cannot sign", "kann nicht signieren"),
    "failed": Text("cannot be used", "nicht zu benutzen"),
}
_NBSP = "\u00a0"
_CERTIFICATE = Text("certificate", "Zertifikat")
_LINES: tuple[tuple[Text, Text, Callable[[_TseAnswer, Locale], dict[str, Any]]], ...] = (
    (
        Text("serial", "Seriennummer"),
        Text("{serial} (check digits {digits})", "{serial} (Prüfziffern {digits})"),
        lambda tse, _: {"serial": tse["serial"], "digits": tse["serial_check_digits"]},
    ),
    (
        Text("kind", "Art"),
        Text("{kind}, firmware {firmware}, {form}", "{kind}, Firmware {firmware}, {form}"),
        lambda tse, _: {"kind": tse["description"], "firmware": tse["software_version"], "form": tse["form_factor"]},
    ),
    (
        Text("place", "Ort"),
        Text("{place}: {state}", "{place}: {state}"),
        lambda tse, locale: {"place": tse["place"], "state": state(tse, locale)},
    ),
    (
        _CERTIFICATE,
        Text("until {until}, {days} days left", "bis {until}, noch {days} Tage"),
        lambda tse, locale: {"until": day(tse["certificate_expires"], locale), "days": tse["certificate_days_left"]},
    ),
    (
        Text("signatures", "Signaturen"),
        Text("{made} made, {left} left ({percent})", "{made} erstellt, noch {left} ({percent})"),
        lambda tse, locale: {
            "made": locale.number(tse["created_signatures"]),
            "left": locale.number(tse["remaining_signatures"]),
            "percent": locale.percent(tse["signatures_left_percent"] / 100),
        },
    ),
    (
        Text("store", "Speicher"),
        Text("{percent} used", "{percent} belegt"),
        lambda tse, locale: {"percent": locale.percent(tse["store_used_percent"] / 100)},
    ),
    (
        Text("clients", "Kassen"),
        Text("{count} of {most} registered", "{count} von {most} angemeldet"),
        lambda tse, _: {"count": tse["registered_clients"], "most": tse["max_registered_clients"]},
    ),
    (
        Text("open transactions", "offene Transaktionen"),
        Text("{count} of {most}", "{count} von {most}"),
        lambda tse, _: {"count": tse["open_transactions"], "most": tse["max_open_transactions"]},
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


def lines(tse: _TseAnswer, locale: Locale) -> Iterator[tuple[str, str]]:
    """Return names and values of the facts of a TSE."""
    (name, text, values), *others = _LINES
    yield locale.text(name), locale.text(text, **values(tse, locale))
    yield locale.text(_LIFE), life(tse["lifecycle"], locale)
    for name, text, values in others:
        yield locale.text(name), locale.text(text, **values(tse, locale))
        if name is _CERTIFICATE:
            yield locale.text(_PRODUCT), _product(tse, locale)
    passed = locale.text(_PASSED, hours=tse["self_test_due_seconds"] // 3600)
    yield locale.text(_SELF_TEST), passed if tse["self_test_passed"] else locale.text(_MISSING)
    yield locale.text(_TIME), locale.text(_YES if tse["valid_time"] else _NO)
    for user, left in tse["pin_tries_left"].items():
        yield f"{locale.text(_PINS)} ({user})", str(left)
    for user, seconds in tse["puk_blocked_seconds"].items():
        yield f"PUK ({user})", locale.text(_PUK_PAUSE, seconds=seconds)
    if tse["logged_in_user"]:
        yield locale.text(_LOGGED_IN), str(tse["logged_in_user"])
    if tse["old_tills"]:
        yield locale.text(_OLD_TILLS), locale.text(_TRANSLATED)


def _product(tse: _TseAnswer, locale: Locale) -> str:
    if tse["product_certified_until"] is None:
        return locale.text(_UNKNOWN)
    until = day(tse["product_certified_until"], locale)
    return until if tse["firmware_known"] else locale.text(_FIRMWARE_UNKNOWN, until=until)


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


def moment(iso: str, locale: Locale) -> str:
    """Return an ISO 8601 moment of the API in local time."""
    return locale.time(datetime.fromisoformat(iso).timestamp())


def day(iso: str, locale: Locale) -> str:
    """Return the local day of an ISO 8601 moment, or a day."""
    return locale.date(datetime.fromisoformat(iso).timestamp())


def shown(value: object, locale: Locale) -> str:
    """Return a value of a JSON document for people."""
    if isinstance(value, bool):
        return locale.text(_YES if value else _NO)
    if isinstance(value, list):
        return ", ".join(shown(item, locale) for item in value)
    return "-" if value is None else str(value)


def short(serial: str) -> str:
    """Return the first eight digits of a serial, as the status page shows them; a command takes them as its name."""
    return serial[:8]


def life(lifecycle: str, locale: Locale) -> str:
    """Return the life cycle of a TSE in words."""
    text = _LIVES.get(lifecycle)
    return locale.text(text) if text else lifecycle


def state(tse: _TseAnswer, locale: Locale) -> str:
    """Return whether a TSE can sign, or why not."""
    if tse["lifecycle"] in _LIVES.keys() - {"initialized"}:
        return life(tse["lifecycle"], locale)
    known = _STATES.get(tse["state"])
    return str(tse["reason"]) or (locale.text(known) if known else str(tse["state"]))


def printable(text: str) -> str:
    """Return `text` with control characters escaped: names come from strangers and must not command the terminal."""
    plain = text.replace(_NBSP, " ")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in plain)


def wrapped(text: str, stream: TextIO) -> str:
    """Return `text` with its lines broken between words, as wide as the terminal that `stream` is; else as it is."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(broken(line, width) for line in text.split("\n"))


def broken(line: str, width: int) -> str:
    """Return a line broken between words, so that it is no wider than `width` if its words are not."""
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
