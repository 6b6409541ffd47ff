"""Process data made from what a till knows: amounts, payments, lines (DSFinV-K 2.4, annex I).

Kassenbeleg-V1    Beleg^75.33_7.99_0.00_0.00_0.00^10.00:Bar_5.00:Bar:CHF_64.30:Unbar
Bestellung-V1     2;"Eis";3.99<CR>1;"Kaffee ""Crema"" gross";2.20

The five totals are gross and stand in the order of `Totals`. Payments of one type and currency are one payment; cash
comes first, and euros, whose name is left out, come before other currencies, which are in the order of the alphabet.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Literal

EURO = "EUR"
PaymentType = Literal["Bar", "Unbar"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Gross amounts in euros by VAT rate, in the order of DSFinV-K.

    General rate (19 %), reduced rate (7 %), average rates of § 24 (1) no. 3 and no. 1 UStG (once 10.7 % and 5.5 %), 0.
    """

    normal: Decimal = Decimal(0)
    reduced: Decimal = Decimal(0)
    average_3: Decimal = Decimal(0)
    average_1: Decimal = Decimal(0)
    zero: Decimal = Decimal(0)

    @property
    def sum(self) -> Decimal:
        """The amount of the whole receipt."""
        return sum(astuple(self), Decimal(0))


@dataclass(frozen=True, slots=True)
class PaidAmount:
    """An amount that was paid; of a cash payment it is what stays in the till, and change is taken off before."""

    type: PaymentType
    amount: Decimal
    currency: str = EURO


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order: how many of what, at which gross price for one."""

    quantity: Decimal
    text: str
    price: Decimal


def receipt_data(kind: str, totals: Totals, payments: Iterable[PaidAmount]) -> str:
    """Return the process data of a receipt of this kind (BON_TYP of DSFinV-K)."""
    amounts: defaultdict[tuple[bool, bool, str, str], Decimal] = defaultdict(Decimal)
    for payment in payments:
        place = payment.type == "Unbar", payment.currency != EURO, payment.currency, payment.type
        amounts[place] += payment.amount
    paid = [f"{_two(amounts[place])}:{place[3]}{f':{place[2]}' if place[1] else ''}" for place in sorted(amounts)]
    return f"{kind}^{'_'.join(map(_two, astuple(totals)))}^{'_'.join(paid)}"


def missing_in_payments(totals: Totals, payments: Iterable[PaidAmount]) -> Decimal | None:
    """Return by how much the payments are less than the totals; `None` if another currency hides that."""
    known = list(payments)
    if any(payment.currency != EURO for payment in known):
        return None
    return totals.sum - sum((payment.amount for payment in known), Decimal(0))


def order_data(lines: Iterable[Line]) -> str:
    """Return the process data of an order."""
    return "\r".join(f"{_plain(line.quantity)};{_quoted(line.text)};{_two(line.price)}" for line in lines)


def _two(amount: Decimal) -> str:
    return f"{amount + 0:.2f}" if amount else "0.00"


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}" if quantity else "0"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
