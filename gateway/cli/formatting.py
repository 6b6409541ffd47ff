"""What is known of a TSE, as lines for people."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.i18n.text import Words

Tse = Mapping[str, Any]

_YES, _NO = Words("yes", "ja"), Words("no", "nein")
_LIVES = {
    "uninitialized": Words("fresh, not set up", "frisch, nicht eingerichtet"),
    "initialized": Words("in service", "in Betrieb"),
    "decommissioned": Words("out of service for good", "endgültig außer Betrieb"),
}
_LINES: tuple[tuple[Words, Words, Callable[[Tse], dict[str, Any]]], ...] = (
    (
        Words("serial", "Seriennummer"),
        Words("{serial} (check digits {digits})", "{serial} (Prüfziffern {digits})"),
        lambda tse: {"serial": tse["serial"], "digits": tse["serial_check_digits"]},
    ),
    (
        Words("kind", "Art"),
        Words("{kind}, firmware {firmware}, {form}", "{kind}, Firmware {firmware}, {form}"),
        lambda tse: {"kind": tse["description"], "firmware": tse["software_version"], "form": tse["form_factor"]},
    ),
    (
        Words("place", "Ort"),
        Words("{place}: {state}", "{place}: {state}"),
        lambda tse: {"place": tse["place"], "state": tse["reason"] or tse["state"]},
    ),
    (
        Words("certificate", "Zertifikat"),
        Words("until {until}, {days} days left", "bis {until}, noch {days} Tage"),
        lambda tse: {"until": str(tse["certificate_expires"])[:10], "days": tse["certificate_days_left"]},
    ),
    (
        Words("signatures", "Signaturen"),
        Words("{made} made, {left} left ({percent} %)", "{made} erstellt, noch {left} ({percent} %)"),
        lambda tse: {
            "made": tse["created_signatures"],
            "left": tse["remaining_signatures"],
            "percent": round(tse["signatures_left_percent"], 1),
        },
    ),
    (
        Words("store", "Speicher"),
        Words("{percent} % used", "{percent} % belegt"),
        lambda tse: {"percent": round(tse["store_used_percent"], 1)},
    ),
    (
        Words("clients", "Kassen"),
        Words("{count} of {most} registered", "{count} von {most} angemeldet"),
        lambda tse: {"count": tse["registered_clients"], "most": tse["max_registered_clients"]},
    ),
    (
        Words("open transactions", "offene Transaktionen"),
        Words("{count} of {most}", "{count} von {most}"),
        lambda tse: {"count": tse["open_transactions"], "most": tse["max_open_transactions"]},
    ),
)
_SELF_TEST = Words("self test", "Selbsttest")
_PASSED = Words("passed, next in {hours} h", "bestanden, nächster in {hours} h")
_MISSING = Words("missing", "fehlt")
_TIME, _LIFE, _PINS = (
    Words("has the time", "hat die Zeit"),
    Words("life", "Lebenszyklus"),
    Words("PIN tries left", "PIN-Versuche"),
)


def lines(tse: Tse, language: str) -> Iterator[tuple[str, str]]:
    """Names and values in `language`."""
    (name, text, values), *others = _LINES
    yield name.in_(language), text.in_(language, **values(tse))
    life = _LIVES.get(tse["lifecycle"])
    yield _LIFE.in_(language), life.in_(language) if life else str(tse["lifecycle"])
    for name, text, values in others:
        yield name.in_(language), text.in_(language, **values(tse))
    passed = _PASSED.in_(language, hours=tse["self_test_due_seconds"] // 3600)
    yield _SELF_TEST.in_(language), passed if tse["self_test_passed"] else _MISSING.in_(language)
    yield _TIME.in_(language), (_YES if tse["valid_time"] else _NO).in_(language)
    for user, left in tse["pin_tries_left"].items():
        yield f"{_PINS.in_(language)} ({user})", str(left)
