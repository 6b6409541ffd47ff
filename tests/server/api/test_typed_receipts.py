"""Receipts by amounts and payments: what is signed is what DSFinV-K demands, and what does not add up is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.server.api.client import Api, api_of, make_ready
from tests.server.api.test_problems import GERMAN
from tests.server.api.test_transactions import stored, verify_qr
from tests.server.shop import Served

TILL = {"client_id": "POS-1"}
SOLD = {"amounts": {"normal": "75.33", "reduced": "7.99"}}
CASH = {"type": "Bar", "amount": "83.32"}
ORDER = {"lines": [{"quantity": "2", "text": 'Eis "Himbeere"', "price": "3.99"}]}


@pytest.fixture
async def api(served: Served) -> AsyncIterator[Api]:
    await make_ready(served)
    async with api_of(served) as made:
        yield made


async def test_a_receipt_is_signed_as_kassenbeleg_and_shown_as_signed(api: Api) -> None:
    receipt = SOLD | {"payments": [{"type": "Unbar", "amount": "73.32"}, {"type": "Bar", "amount": "10"}]}
    signed = (await api.post("/sign", TILL | {"receipt": receipt})).json
    assert signed["process_type"] == "Kassenbeleg-V1"
    assert signed["process_data"] == "Beleg^75.33_7.99_0.00_0.00_0.00^10.00:Bar_73.32:Unbar"
    assert signed["warnings"] == []
    verify_qr(signed["qr_text"])
    assert (await stored(api))[-1].process_data.decode() == signed["process_data"]


async def test_an_order_and_anything_else_are_signed_as_their_types(api: Api) -> None:
    number = (await api.post("/transactions", TILL)).json["transaction_number"]
    updated = (await api.post(f"/transactions/{number}/update", TILL | {"order": ORDER})).json
    assert (updated["process_type"], updated["process_data"]) == ("Bestellung-V1", '2;"Eis ""Himbeere""";3.99')
    assert updated["warnings"] == []
    other = (await api.post(f"/transactions/{number}/finish", TILL | {"other": "Schublade geöffnet"})).json
    assert (other["process_type"], other["process_data"]) == ("SonstigerVorgang", "Schublade geöffnet")


async def test_it_is_the_same_request_as_its_process_data(api: Api) -> None:
    typed = TILL | {"receipt": SOLD | {"payments": [CASH]}}
    first = (await api.post("/sign", typed, key="one")).json
    raw = TILL | {"process_type": first["process_type"], "process_data": first["process_data"]}
    again = (await api.post("/sign", raw, key="one")).json
    assert (again["signature"], again["replayed"]) == (first["signature"], True)


WRONG: list[Any] = [
    (
        SOLD | {"payments": [CASH | {"amount": "83.30"}]},
        "receipt does not add up: the amounts are 83.32, the payments 83.30, they differ by 0.02",
        "receipt geht nicht auf: die Beträge sind 83.32, die Zahlungen 83.30, sie unterscheiden sich um 0.02",
    ),
    (
        SOLD,
        "receipt does not add up: the amounts are 83.32, the payments 0.00, they differ by 83.32",
        "receipt geht nicht auf: die Beträge sind 83.32, die Zahlungen 0.00, sie unterscheiden sich um 83.32",
    ),
    (
        {"amounts": {"normal": 1.19}},
        "receipt/amounts/normal must be a string",
        "receipt/amounts/normal muss eine Zeichenkette sein",
    ),
]


async def test_what_does_not_add_up_is_refused_and_nothing_is_signed(api: Api) -> None:
    for receipt, english, german in WRONG:
        before = len(await stored(api))
        for headers, detail in (({}, english), (GERMAN, german)):
            refused = await api.post("/sign", TILL | {"receipt": receipt}, headers=headers)
            assert (refused.status, refused.json["detail"]) == (422, detail)
        assert len(await stored(api)) == before


async def test_foreign_money_hides_the_sum_and_an_invoice_needs_no_payment(api: Api) -> None:
    francs = SOLD | {"payments": [{"type": "Bar", "amount": "90", "currency": "CHF"}]}
    assert (await api.post("/sign", TILL | {"receipt": francs})).json["process_data"].endswith("^90.00:Bar:CHF")
    invoice = SOLD | {"receipt_type": "AVRechnung"}
    assert (await api.post("/sign", TILL | {"receipt": invoice})).json["process_data"].endswith("_0.00^")


REFUSED: list[Any] = [
    ({"order": ORDER, "other": "x"}, "order and other exclude each other"),
    ({"other": "x", "process_data": "x"}, "other and process_data exclude each other"),
    ({"other": "x", "process_type": "Kassenbeleg-V1"}, "process_type of other is SonstigerVorgang, or left out"),
    ({"order": {"lines": [{"quantity": "1", "text": "a\rb", "price": "1"}]}}, "order/lines/0/text does not"),
    ({"order": {"lines": []}}, "order/lines has fewer than 1 entries"),
]


async def test_what_is_said_twice_or_cannot_be_written_is_refused(api: Api) -> None:
    for body, says in REFUSED:
        refused = await api.post("/sign", TILL | body)
        assert (refused.status, refused.json["detail"][: len(says)]) == (422, says)
