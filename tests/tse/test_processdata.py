"""The form of process data."""

from decimal import Decimal

import pytest

from gateway.tse.processdata import amounts, findings, findings_at_start

RECEIPT, ORDERS = b"Kassenbeleg-V1", b"Bestellung-V1"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (RECEIPT, "Beleg^0.00_2.55_0.00_0.00_0.00^2.55:Bar"),
        (RECEIPT, "Beleg^75.33_7.99_0.00_0.00_0.00^10.00:Bar_5.00:Bar:CHF_5.00:Bar:USD_64.30:Unbar"),
        (RECEIPT, "AVBelegabbruch^0.00_0.00_0.00_0.00_0.00^"),
        (RECEIPT, "AVBelegstorno^-1.00_0.00_0.00_0.00_0.00^-1.00:Unbar"),
        (ORDERS, '2;"Eisbecher ""Himbeere""";3.99\r1;"Kaffee; schwarz";2.10'),
        (ORDERS, '1.5;"Käse";3.99\r'),
        (b"SonstigerVorgang", "anything; at all"),
    ],
)
def test_what_has_the_form_is_well(kind: bytes, data: str) -> None:
    assert findings(kind, data.encode()) == []


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        (RECEIPT, b"", "receipt_form"),
        (RECEIPT, b"Beleg^0.00_0.00_0.00_0.00_0.00", "receipt_form"),
        (RECEIPT, b"Bon^0.00_0.00_0.00_0.00_0.00^", "receipt_kind"),
        (RECEIPT, b"Beleg^0.00_0.00_0.00_0.00^", "receipt_totals"),
        (RECEIPT, b"Beleg^0,00_0.00_0.00_0.00_0.00^", "receipt_totals"),
        (RECEIPT, b"Beleg^1_0.00_0.00_0.00_0.00^1.00:Bar", "receipt_totals"),
        (RECEIPT, b"Beleg^1.00_0.00_0.00_0.00_0.00^1.00:bar", "receipt_payments"),
        (RECEIPT, b"Beleg^1.00_0.00_0.00_0.00_0.00^2.00:Bar", "receipt_sum"),
        (RECEIPT, b"Beleg^1.00_0.00_0.00_0.00_0.00^2.00:Bar:EUR", "receipt_sum"),
        (ORDERS, b"2;Eis;3.99", "order_form"),
        (ORDERS, b'2;"Eis";3.99\n1;"Tee";2.00', "order_form"),
        (b"KassenBeleg-V1", b"", "process_type_unknown"),
        (RECEIPT, b"\xff", "not_utf8"),
        (b"\xff", b"", "not_utf8"),
    ],
)
def test_what_has_another_form_is_found(kind: bytes, data: bytes, code: str) -> None:
    assert [finding.code for finding in findings(kind, data)] == [code]


def test_the_amounts_of_a_receipt_are_read_where_it_has_the_form() -> None:
    found = amounts("Kassenbeleg-V1", "Beleg^19.00_0.00_0.00_0.00_1.00^15.00:Bar_5.00:Unbar:CHF")
    assert found is not None
    assert [str(total) for total in found.totals] == ["19.00", "0.00", "0.00", "0.00", "1.00"]
    assert found.payments == ((Decimal("15.00"), "Bar", "EUR"), (Decimal("5.00"), "Unbar", "CHF"))
    assert amounts("Kassenbeleg-V1", "Beleg^1.00_0.00_0.00_0.00_0.00^2.00:Bar") is not None, "whatever the sum is"
    assert amounts("Kassenbeleg-V1", "Beleg^1.00^1.00:Bar") is None
    assert amounts("SonstigerVorgang", "Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Bar") is None


def test_a_start_has_neither_type_nor_data() -> None:
    assert findings_at_start(b"", b"") == []
    assert [finding.code for finding in findings_at_start(RECEIPT, b"")] == ["start_not_empty"]
