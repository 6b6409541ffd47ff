"""Receipts and orders by their amounts, payments and lines: the gateway makes the process data (DSFinV-K, annex I)."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic import model_validator as check_model

from gateway.errors import UnfitValue
from gateway.i18n.text import Text
from gateway.operations import typed_data
from gateway.operations.typed_data import Line, Totals
from gateway.server.api.schema import about
from gateway.tse.processdata import ReceiptType

_DIFFER = Text(
    "does not add up: the amounts are {amounts}, the payments {payments}, they differ by {difference}",
    "geht nicht auf: die Beträge sind {amounts}, die Zahlungen {payments}, sie unterscheiden sich um {difference}",
)
# Strings, since a number of JSON is a binary fraction to most programs, and 0.1 is none.
_Amount = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,2})?$")]
_Quantity = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,3})?$")]


RECEIPT_EXAMPLE = {
    "receipt_type": "Beleg",
    "amounts": {"normal": "1.19"},
    "payments": [{"type": "Bar", "amount": "1.19"}],
}


class _Typed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, defer_build=True)


class VatAmounts(_Typed):
    model_config = about(
        "Gross amounts in euros by VAT rate, each a string with at most two decimals. This is also the order of the "
        "five totals in process data. What is left out is 0.00."
    )

    normal: _Amount = Field("0.00", description="General rate, 19 %.", examples=["1.19"])
    reduced: _Amount = Field("0.00", description="Reduced rate, 7 %.")
    average_3: _Amount = Field("0.00", description="Average rate of § 24 (1) no. 3 UStG, once 10.7 %.")
    average_1: _Amount = Field("0.00", description="Average rate of § 24 (1) no. 1 UStG, once 5.5 %.")
    zero: _Amount = Field("0.00", description="0 %: not taxable, exempt, or not known yet.")

    def totals(self) -> Totals:
        """Return the amounts as numbers."""
        return Totals(*(Decimal(getattr(self, name)) for name in type(self).model_fields))


class Payment(_Typed):
    model_config = about("What was paid in one way; several of the same type and currency are added up.")

    type: Annotated[Literal["Bar", "Unbar"], Field(description="In cash, or not.")]
    amount: Annotated[
        _Amount,
        Field(description="Amount in its currency; of cash what stays in the till, without change.", examples=["1.19"]),
    ]
    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="ISO 4217; EUR if left out.")


class TypedReceipt(_Typed):
    model_config = about("A receipt by its amounts and payments; the gateway makes Kassenbeleg-V1 of it.")

    receipt_type: Annotated[
        ReceiptType, Field(description="Kind of receipt (BON_TYP of DSFinV-K); Beleg if left out.")
    ] = "Beleg"
    amounts: Annotated[VatAmounts, Field(description="What was sold, by VAT rate.")]
    payments: Annotated[
        list[Payment],
        Field(
            max_length=100,
            description="How it was paid. All in euros they are as much as the amounts, else the receipt is refused. "
            "Only kinds other than Beleg may have amounts without payments.",
        ),
    ] = []

    @check_model(mode="after")
    def _adds_up(self) -> Self:
        totals, payments = self.amounts.totals(), self._payments()
        difference = typed_data.missing_in_payments(totals, payments)
        if difference and (payments or self.receipt_type == "Beleg"):
            paid = totals.sum - difference
            raise UnfitValue(
                _DIFFER, amounts=f"{totals.sum:.2f}", payments=f"{paid:.2f}", difference=f"{difference:.2f}"
            )
        return self

    def process_data(self) -> str:
        """Return the process data of Kassenbeleg-V1."""
        return typed_data.receipt_data(self.receipt_type, self.amounts.totals(), self._payments())

    def _payments(self) -> list[typed_data.PaidAmount]:
        return [typed_data.PaidAmount(paid.type, Decimal(paid.amount), paid.currency) for paid in self.payments]


class OrderLine(_Typed):
    model_config = about("A line of an order.")

    quantity: Annotated[_Quantity, Field(description="How many, with at most three decimals.", examples=["2"])]
    text: Annotated[
        str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$", description="What.", examples=["Eis"])
    ]
    price: Annotated[_Amount, Field(description="Gross price of one in euros.", examples=["3.99"])]


class TypedOrder(_Typed):
    model_config = about("An order by its lines; the gateway makes Bestellung-V1 of it.")

    lines: Annotated[list[OrderLine], Field(min_length=1, max_length=1000, description="What was ordered.")]

    def process_data(self) -> str:
        """Return the process data of Bestellung-V1."""
        return typed_data.order_data(
            Line(Decimal(line.quantity), line.text, Decimal(line.price)) for line in self.lines
        )
