"""Numbers, durations and times as readers of each language write them."""

from decimal import Decimal

import pytest

from gateway.i18n.locales import Locale
from gateway.i18n.text import Text

DE, EN = Locale("de"), Locale("en")


@pytest.mark.parametrize(
    ("seconds", "german", "english"),
    [
        (0, "wenige Sekunden", "a few seconds"),
        (61, "1 Min. 1 Sek.", "1 min 1 s"),
        (3600, "1 Std.", "1 h"),
        (90_000, "1 Tag 1 Std.", "1 day 1 h"),
        (2 * 31_557_600 + 59, "2 Jahre", "2 years"),
    ],
)
def test_lengths_in_words(seconds: int, german: str, english: str) -> None:
    assert [locale.duration(seconds).replace("\u00a0", " ") for locale in (DE, EN)] == [german, english]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "wenigen Sekunden"),
        (61, "1 Min. 1 Sek."),
        (86_400, "1 Tag"),
        (6 * 86_400, "6 Tagen"),
        (70 * 86_400, "2 Monaten 9 Tagen"),
        (3 * 31_557_600, "3 Jahren"),
    ],
)
def test_lengths_behind_a_german_preposition_are_in_the_dative(seconds: int, told: str) -> None:
    text = Text("ends in {duration}", "endet in {duration:dative}")
    assert DE.text(text, duration=DE.duration(seconds)).replace("\u00a0", " ") == f"endet in {told}"
    assert EN.text(text, duration=EN.duration(seconds)) == f"ends in {EN.duration(seconds)}"


def test_countdowns_do_not_tick() -> None:
    told = [EN.countdown(seconds).replace("\u00a0", " ") for seconds in (5, 1799, 89_999, 200_000)]
    assert told == ["< 1 min", "29 min", "24 h 59 min", "2 days 7 h"]


def test_numbers_as_the_reader_writes_them() -> None:
    assert (DE.number(1_234_567), EN.number(1_234_567)) == ("1.234.567", "1,234,567")
    assert (DE.percent(0.0123), DE.percent(0.5)) == ("1,2\u00a0%", "50\u00a0%")
    assert (DE.size(7_700_000_000), EN.size(512), EN.size(123_456)) == ("7,7\u00a0GB", "512\u00a0B", "123\u00a0kB")


def test_amounts_of_money_stand_with_their_currency() -> None:
    assert DE.amount(Decimal("-1234.50"), "EUR") == "-1.234,50\u00a0€"
    assert EN.amount(Decimal("1234.5"), "CHF") == "1,234.50\u00a0CHF"


def test_times_have_their_zone_only_if_asked_for() -> None:
    assert EN.time(0).startswith(EN.date(0))
    assert len(EN.time(0, zone=True)) > len(EN.time(0))
    assert DE.date(1_790_000_000).count(".") == 2
