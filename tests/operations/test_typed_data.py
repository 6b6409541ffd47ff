"""Process data made from amounts, payments and lines, against a table of DSFinV-K that was written by itself."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.operations.typed_data import Line, PaidAmount, Totals, missing_in_payments, order_data, receipt_data
from gateway.tse import processdata

D = Decimal
# Examples of DSFinV-K, annex I, and of the forms that it demands for signs, currencies and quotes.
RECEIPTS = [
    ("Beleg", {"reduced": "2.55"}, [("Bar", "2.55", "EUR")], "Beleg^0.00_2.55_0.00_0.00_0.00^2.55:Bar"),
    (
        "Beleg",
        {"normal": "75.33", "reduced": "7.99"},
        [("Unbar", "64.30", "EUR"), ("Bar", "5.00", "USD"), ("Bar", "10.00", "EUR"), ("Bar", "5.00", "CHF")],
        "Beleg^75.33_7.99_0.00_0.00_0.00^10.00:Bar_5.00:Bar:CHF_5.00:Bar:USD_64.30:Unbar",
    ),
    ("AVBelegabbruch", {}, [], "AVBelegabbruch^0.00_0.00_0.00_0.00_0.00^"),
    (
        "AVBelegstorno",
        {"normal": "-1.19"},
        [("Bar", "-1.19", "EUR")],
        "AVBelegstorno^-1.19_0.00_0.00_0.00_0.00^-1.19:Bar",
    ),
    (
        "Beleg",
        {"average_3": "1", "average_1": "2.5", "zero": "-0"},
        [("Bar", "2", "EUR"), ("Bar", "1.5", "EUR")],
        "Beleg^0.00_0.00_1.00_2.50_0.00^3.50:Bar",
    ),
]
ORDERS = [
    (
        [("2", 'Eisbecher "Himbeere"', "3.99"), ("1", "Eiskaffee", "2.99")],
        '2;"Eisbecher ""Himbeere""";3.99\r1;"Eiskaffee";2.99',
    ),
    ([("1.500", "Wein; rot", "-4")], '1.5;"Wein; rot";-4.00'),
    ([("-0.25", "Kilo", "100"), ("10", "Ei", "0")], '-0.25;"Kilo";100.00\r10;"Ei";0.00'),
]


@pytest.mark.parametrize(("kind", "totals", "payments", "data"), RECEIPTS)
def test_a_receipt_is_written_as_in_the_table(
    kind: str, totals: dict[str, str], payments: list[tuple[str, str, str]], data: str
) -> None:
    amounts = Totals(**{name: D(amount) for name, amount in totals.items()})
    paid = [PaidAmount(type_, D(amount), currency) for type_, amount, currency in payments]  # type: ignore[arg-type]
    assert receipt_data(kind, amounts, paid) == data


@pytest.mark.parametrize(("lines", "data"), ORDERS)
def test_an_order_is_written_as_in_the_table(lines: list[tuple[str, str, str]], data: str) -> None:
    assert order_data(Line(D(quantity), text, D(price)) for quantity, text, price in lines) == data


def in_cents(cents: int) -> str:
    """An amount as DSFinV-K writes it, by whole numbers alone."""
    euros, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{euros}.{rest:02}"


CENTS = st.integers(-(10**11), 10**11)
WAYS = [("Bar", "EUR"), ("Bar", "CHF"), ("Bar", "GBP"), ("Bar", "USD"), ("Unbar", "EUR"), ("Unbar", "USD")]  # in order
KINDS = sorted(processdata.KINDS)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.lists(CENTS, min_size=5, max_size=5),
    st.lists(st.tuples(st.integers(0, len(WAYS) - 1), CENTS), max_size=8),
)
def test_any_receipt_is_as_one_that_is_written_by_whole_cents(
    kind: str, totals: list[int], payments: list[tuple[int, int]]
) -> None:
    sums = {way: sum(cents for at, cents in payments if at == way) for way, _ in payments}
    written = []
    for way in sorted(sums):
        type_, currency = WAYS[way]
        written.append(f"{in_cents(sums[way])}:{type_}" + ("" if currency == "EUR" else f":{currency}"))
    expected = kind + "^" + "_".join(in_cents(cents) for cents in totals) + "^" + "_".join(written)
    amounts = Totals(*(D(cents) / 100 for cents in totals))
    paid = [PaidAmount(WAYS[way][0], D(cents) / 100, WAYS[way][1]) for way, cents in payments]  # type: ignore[arg-type]
    made = receipt_data(kind, amounts, paid)
    assert made == expected
    assert set(processdata.findings(b"Kassenbeleg-V1", made.encode())) <= {processdata.Finding.RECEIPT_SUM}
    in_euro = all(WAYS[way][1] == "EUR" for way, _ in payments)
    missing = sum(totals) - sum(cents for _, cents in payments)
    assert missing_in_payments(amounts, paid) == (D(missing) / 100 if in_euro else None)


TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), TEXTS, CENTS), min_size=1, max_size=5))
def test_any_order_has_the_form_that_the_check_demands(lines: list[tuple[int, str, int]]) -> None:
    made = order_data(Line(D(quantity) / 1000, text, D(cents) / 100) for quantity, text, cents in lines)
    assert processdata.findings(b"Bestellung-V1", made.encode()) == []
    assert len(made.split("\r")) == len(lines)
