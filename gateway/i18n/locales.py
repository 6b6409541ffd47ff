"""Numbers, durations and times as readers of a language write them."""

import datetime as dt
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from gateway.i18n.text import Language, Text

_NBSP = "\u00a0"
_DECIMAL = Text(".", ",")
_THOUSANDS = Text(",", ".")
_DATE = Text("%Y-%m-%d", "%d.%m.%Y")
_HOUR, _MINUTE = Text("h", "Std."), Text("min", "Min.")
_UNITS = (  # one, several, seconds; the largest first
    (Text("year", "Jahr"), Text("years", "Jahre"), 31_557_600),
    (Text("month", "Monat"), Text("months", "Monate"), 2_629_800),
    (Text("day", "Tag"), Text("days", "Tage"), 86_400),
    (_HOUR, _HOUR, 3600),
    (_MINUTE, _MINUTE, 60),
    (Text("s", "Sek."), Text("s", "Sek."), 1),
)
_NO_TIME_LEFT = Text("a few seconds", "wenige Sekunden")
_TWO_DAYS = 2 * 24 * 60  # minutes


class Duration(str):
    """A length of time in words. A German text has `{duration:dative}` behind in, nach, seit and vor: in 6 Tagen."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        return re.sub(r"e\b", "en", self) if form == "dative" else super().__format__(form)


@dataclass(frozen=True, slots=True)
class Locale:
    """One language and its way to write numbers. Times are in the time zone of the gateway."""

    language: Language

    def text(self, text: Text, /, **values: object) -> str:
        """Return `text` in this language, its placeholders filled."""
        return text.in_language(self.language, **values)

    def number(self, value: int) -> str:
        """Return `value` with its thousands separated."""
        return f"{value:,}".replace(",", self.text(_THOUSANDS))

    def percent(self, ratio: float) -> str:
        """Return `ratio` (0 to 1) in per cent, below 10 % with one decimal: a little is not nothing."""
        value = 100 * ratio
        return self._decimal(f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}") + f"{_NBSP}%"

    def amount(self, value: Decimal, currency: str) -> str:
        """Return an amount of money with its currency, a code of three letters."""
        text = f"{value:,.2f}".translate(str.maketrans(",.", self.text(_THOUSANDS) + self.text(_DECIMAL)))
        return f"{text}{_NBSP}{'€' if currency == 'EUR' else currency}"

    def size(self, size: int) -> str:
        """Return `size` bytes in the decimal unit that fits, B to TB."""
        value, unit = float(size), "B"
        for larger in ("kB", "MB", "GB", "TB"):
            if value < 1000:
                break
            value, unit = value / 1000, larger
        return self._decimal(f"{value:.0f}" if value >= 100 or unit == "B" else f"{value:.1f}") + f"{_NBSP}{unit}"

    def duration(self, seconds: float) -> Duration:
        """Return `seconds` in its two largest units."""
        rest, parts = int(seconds), list[str]()
        for one, several, size in _UNITS:
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}{_NBSP}{self.text(one if count == 1 else several)}")
            if len(parts) == 2 or (parts and not count):
                break
        return Duration(" ".join(parts) or self.text(_NO_TIME_LEFT))

    def countdown(self, seconds: float) -> Duration:
        """Return `seconds` in hours and minutes up to two days, then as `duration`; it changes once a minute."""
        minutes = int(seconds) // 60
        if minutes >= _TWO_DAYS:
            return self.duration(seconds)
        hour, minute = self.text(_HOUR), self.text(_MINUTE)
        if minutes < 1:
            return Duration(f"<{_NBSP}1{_NBSP}{minute}")
        if minutes < 60:
            return Duration(f"{minutes}{_NBSP}{minute}")
        return Duration(f"{minutes // 60}{_NBSP}{hour} {minutes % 60}{_NBSP}{minute}")

    def date(self, unix_time: float) -> str:
        """Return the date of a moment."""
        return local(unix_time).strftime(self.text(_DATE))

    def day(self, day: dt.date) -> str:
        """Return a day of the calendar."""
        return day.strftime(self.text(_DATE))

    def time(self, unix_time: float, *, zone: bool = False) -> str:
        """Return date and time of a moment, with the name of the time zone if asked for."""
        return local(unix_time).strftime(f"{self.text(_DATE)} %H:%M:%S{' %Z' if zone else ''}")

    def _decimal(self, number: str) -> str:
        return number.replace(".", self.text(_DECIMAL))


def local(unix_time: float) -> datetime:
    """Return a moment in the time zone of the gateway."""
    return datetime.fromtimestamp(unix_time, UTC).astimezone()
