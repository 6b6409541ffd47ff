"""Checks whether process data have the form that their process type demands (DSFinV-K, annex I).

Kassenbeleg-V1    Beleg^19.00_7.00_10.70_5.50_0.00^42.20:Bar_...    totals per VAT rate, then payments
Bestellung-V1     2;"Eis";3.99<CR>1;...                             quantity, text, price per line
SonstigerVorgang  anything

A finding never changes what is signed: the till alone decides that.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

RECEIPT, ORDERS, OTHER = "Kassenbeleg-V1", "Bestellung-V1", "SonstigerVorgang"
MAX_PROCESS_TYPE = 100  # bytes, TR-03151

_KINDS = frozenset(
    {
        "Beleg",
        "AVTransfer",
        "AVBestellung",
        "AVTraining",
        "AVBelegstorno",
        "AVBelegabbruch",
        "AVSachbezug",
        "AVSonstige",
        "AVRechnung",
    }
)
_AMOUNT = re.compile(r"-?\d+\.\d\d", re.ASCII)
_PAYMENT = re.compile(r"(-?\d+\.\d\d):(Bar|Unbar)(?::([A-Z]{3}))?", re.ASCII)
_LINE = re.compile(r'-?\d+(?:\.\d+)?;"(?:[^"]|"")*";-?\d+\.\d\d', re.ASCII)
_RATES = 5


@dataclass(frozen=True, slots=True)
class ProcessDataFinding:
    """One deviation from the form; `code` is for programs, `message` for people."""

    code: str
    message: str


def findings_at_start(process_type: bytes, process_data: bytes) -> list[ProcessDataFinding]:
    """Return the findings for a start, which has neither type nor data (DSFinV-K, annex I)."""
    if process_type or process_data:
        return [ProcessDataFinding("start_not_empty", "a transaction is started with empty process type and data")]
    return []


def findings(process_type: bytes, process_data: bytes) -> list[ProcessDataFinding]:
    """Return the deviations from the form; none if it fits."""
    try:
        kind, text = process_type.decode(), process_data.decode()
    except UnicodeDecodeError:
        return [ProcessDataFinding("not_utf8", "process type and data should be UTF-8 text")]
    match kind:
        case "Kassenbeleg-V1":
            return _receipt(text)
        case "Bestellung-V1":
            return _orders(text)
        case "SonstigerVorgang":
            return []
        case _:
            return [ProcessDataFinding("process_type_unknown", f"process type is none of {RECEIPT}, {ORDERS}, {OTHER}")]


def _receipt(text: str) -> list[ProcessDataFinding]:
    parts = text.split("^")
    if len(parts) != 3:
        return [ProcessDataFinding("receipt_form", "a receipt has three parts separated by ^: kind, totals, payments")]
    kind, totals, payments = parts
    found: list[ProcessDataFinding] = []
    if kind not in _KINDS:
        found.append(ProcessDataFinding("receipt_kind", f"kind of receipt is none of {', '.join(sorted(_KINDS))}"))
    amounts = totals.split("_")
    if len(amounts) != _RATES or not all(_AMOUNT.fullmatch(amount) for amount in amounts):
        return [
            *found,
            ProcessDataFinding("receipt_totals", "totals are five amounts with two decimals, separated by _"),
        ]
    paid = [_PAYMENT.fullmatch(payment) for payment in payments.split("_")] if payments else []
    if None in paid:
        return [
            *found,
            ProcessDataFinding("receipt_payments", "a payment is amount:Bar or amount:Unbar, perhaps :currency"),
        ]
    known = [payment for payment in paid if payment is not None]
    in_euro = all(payment[3] in (None, "EUR") for payment in known)
    if known and in_euro and sum(Decimal(payment[1]) for payment in known) != sum(map(Decimal, amounts)):
        found.append(ProcessDataFinding("receipt_sum", "the payments do not add up to the totals"))
    return found


def _orders(text: str) -> list[ProcessDataFinding]:
    if all(_LINE.fullmatch(line) for line in text.removesuffix("\r").split("\r")):
        return []
    return [ProcessDataFinding("order_form", 'a line is quantity;"text";price, and lines are separated by CR')]
