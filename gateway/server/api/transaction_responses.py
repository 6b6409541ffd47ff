"""Transactions as the JSON API lists them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.operations.transaction_list import TransactionState
from gateway.server.api.responses import SignedReceipt
from gateway.server.api.schema import about

StoreSource = Literal["store", "archive"]
_SOURCE = "Where this was read: the store of the TSE, or the archive."


class _Transaction(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True, defer_build=True)

    transaction_number: int = Field(description="Number of the transaction.", examples=[3])
    state: TransactionState = Field(description="Whether it is finished.", examples=["finished"])
    client_id: str = Field(description="The name of the till at the TSE.", examples=["POS-1"])
    start_time: datetime | None = Field(
        description="Its start; null if that is too far back in the store.", examples=["2026-09-21T14:13:20Z"]
    )
    end_time: datetime | None = Field(
        description="Its finish; null while it is open.", examples=["2026-09-21T14:13:20Z"]
    )
    reference: str = Field(
        description="The id that the client gave, while its Idempotency-Key is kept.", examples=["till-3/417"]
    )
    metadata: dict[str, str] = Field(description="Values that the client gave, likewise.", examples=[{"table": "7"}])


class ListedTransaction(_Transaction):
    model_config = about("A transaction in short.")

    process_type: str = Field(description="Type of the process data of its last step.", examples=["Kassenbeleg-V1"])
    signature_counter: int = Field(
        description="Counter of the signature of its finish, or of an open one's start.", examples=[8]
    )
    cursor: str = Field(description="Where it stands: for its steps.", examples=["25"])


class TransactionList(BaseModel):
    model_config = about("One page of transactions, the newest first.")

    transactions: list[ListedTransaction]
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null: there is none.", examples=["19"]
    )
    source: StoreSource = Field(description=_SOURCE, examples=["store"])


class TransactionDetails(_Transaction):
    model_config = about("A transaction with all its steps.")

    steps: list[SignedReceipt] = Field(description="The first step first.")
    source: StoreSource = Field(description=_SOURCE, examples=["store"])
