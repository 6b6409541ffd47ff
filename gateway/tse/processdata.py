"""Checks whether process data have the form that their process type demands (DSFinV-K, annex I).

Kassenbeleg-V1    Beleg^19.00_7.00_10.70_5.50_0.00^42.20:Bar_...    totals per VAT rate, then payments
Bestellung-V1     2;"Eis";3.99<CR>1;...                             quantity, text, price per line
SonstigerVorgang  anything

A finding never changes what is signed: the till alone decides that.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Literal, get_args

from gateway.i18n.text import Text

RECEIPT, ORDERS, OTHER = "Kassenbeleg-V1", "Bestellung-V1", "SonstigerVorgang"
MAX_PROCESS_TYPE = 100  # bytes, TR-03151

ReceiptType = Literal[
    "Beleg",
    "AVTransfer",
    "AVBestellung",
    "AVTraining",
    "AVBelegstorno",
    "AVBelegabbruch",
    "AVSachbezug",
    "AVSonstige",
    "AVRechnung",
]
KINDS = frozenset(get_args(ReceiptType))
_TOTALS = re.compile(r"-?\d+\.\d\d(?:_-?\d+\.\d\d){4}", re.ASCII)  # one for each VAT rate
_PAYMENT = re.compile(r"(-?\d+\.\d\d):(Bar|Unbar)(?::([A-Z]{3}))?", re.ASCII)
_LINE = re.compile(r'-?\d+(?:\.\d+)?;"(?:[^"]|"")*";-?\d+\.\d\d', re.ASCII)


class Finding(Enum):
    """One deviation from the form; its value is its text for people."""

    START_NOT_EMPTY = Text(
        "a transaction is started with empty process type and data",
        "eine Transaktion beginnt mit leerem processType und leeren processData",
    )
    NOT_UTF8 = Text("process type and data should be UTF-8 text", "processType und processData sollten UTF-8-Text sein")
    PROCESS_TYPE_UNKNOWN = Text(
        f"process type is none of {RECEIPT}, {ORDERS}, {OTHER}",
        f"der processType ist keiner von {RECEIPT}, {ORDERS}, {OTHER}",
    )
    RECEIPT_FORM = Text(
        "a receipt has three parts separated by ^: kind, totals, payments",
        "ein Beleg hat drei durch ^ getrennte Teile: Vorgangstyp, Umsätze, Zahlungen",
    )
    RECEIPT_KIND = Text(
        f"kind of receipt is none of {', '.join(sorted(KINDS))}",
        f"der Vorgangstyp ist keiner von {', '.join(sorted(KINDS))}",
    )
    RECEIPT_TOTALS = Text(
        "totals are five amounts with two decimals, separated by _",
        "die Umsätze sind fünf durch _ getrennte Beträge mit zwei Nachkommastellen",
    )
    RECEIPT_PAYMENTS = Text(
        "a payment is amount:Bar or amount:Unbar, perhaps :currency",
        "eine Zahlung ist Betrag:Bar oder Betrag:Unbar, vielleicht mit :Währung",
    )
    RECEIPT_SUM = Text("the payments do not add up to the totals", "die Summe der Zahlungen ist nicht die der Umsätze")
    ORDER_FORM = Text(
        'a line is quantity;"text";price, and lines are separated by CR',
        'eine Zeile ist Menge;"Text";Preis, und Zeilen sind durch CR getrennt',
    )

    @property
    def code(self) -> str:
        """Its stable name for programs."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class ReceiptAmounts:
    """What a receipt says in numbers: totals by VAT rate as DSFinV-K orders them, payments with kind and currency."""

    kind: str
    totals: tuple[Decimal, ...]
    payments: tuple[tuple[Decimal, str, str], ...]


def amounts(process_type: str, process_data: str) -> ReceiptAmounts | None:
    """Return the amounts of a receipt; `None` of anything else, and of one that does not have the form."""
    if process_type != RECEIPT or not {*_receipt(process_data)} <= {Finding.RECEIPT_SUM}:
        return None
    kind, totals, payments = process_data.split("^")
    paid = [found for found in map(_PAYMENT.fullmatch, payments.split("_")) if found is not None]
    return ReceiptAmounts(
        kind,
        tuple(map(Decimal, totals.split("_"))),
        tuple((Decimal(each[1]), each[2], each[3] or "EUR") for each in paid),
    )


def findings_at_start(process_type: bytes, process_data: bytes) -> list[Finding]:
    """Return the findings for a start, which has neither type nor data (DSFinV-K, annex I)."""
    return [Finding.START_NOT_EMPTY] if process_type or process_data else []


def findings(process_type: bytes, process_data: bytes) -> list[Finding]:
    """Return the deviations from the form; none if it fits."""
    try:
        kind, text = process_type.decode(), process_data.decode()
    except UnicodeDecodeError:
        return [Finding.NOT_UTF8]
    match kind:
        case "Kassenbeleg-V1":
            return _receipt(text)
        case "Bestellung-V1":
            return _orders(text)
        case "SonstigerVorgang":
            return []
        case _:
            return [Finding.PROCESS_TYPE_UNKNOWN]


def _receipt(text: str) -> list[Finding]:
    parts = text.split("^")
    if len(parts) != 3:
        return [Finding.RECEIPT_FORM]
    kind, totals, payments = parts
    found = [] if kind in KINDS else [Finding.RECEIPT_KIND]
    if not _TOTALS.fullmatch(totals):
        return [*found, Finding.RECEIPT_TOTALS]
    paid = [_PAYMENT.fullmatch(payment) for payment in payments.split("_")] if payments else []
    if None in paid:
        return [*found, Finding.RECEIPT_PAYMENTS]
    known = [payment for payment in paid if payment is not None]
    in_euro = all(payment[3] in (None, "EUR") for payment in known)
    if known and in_euro and sum(Decimal(payment[1]) for payment in known) != sum(map(Decimal, totals.split("_"))):
        found.append(Finding.RECEIPT_SUM)
    return found


def _orders(text: str) -> list[Finding]:
    return [] if all(_LINE.fullmatch(line) for line in text.removesuffix("\r").split("\r")) else [Finding.ORDER_FORM]
