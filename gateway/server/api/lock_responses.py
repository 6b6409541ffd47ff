"""Who holds a TSE, who waits for it, who sold before; the names of the classes are schema names."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gateway.server.api.responses import ApiResponse, HeldLock
from gateway.server.api.schema import about


class TillUse(ApiResponse):
    model_config = about("What a till does with a TSE.")

    client_id: str = Field(description="The till in its commands; empty: none was seen.", examples=["POS-1"])
    token: str = Field(description="Name of its token; empty: the gateway itself.", examples=["kasse-1"])
    peer: str = Field(description="Address and port; empty: they are not known.", examples=["10.0.0.7:51234"])
    state: Literal["holds", "reads", "waits", "idle"] = Field(
        description="It holds the lock, reads in turn with others, waits for the lock, or sold before.",
        examples=["holds"],
    )
    since: datetime = Field(description="Since when.", examples=["2026-09-21T14:13:20Z"])
    place: int | None = Field(description="Its place in the queue; null: it does not wait.", examples=[None])
    last_command: str = Field(description="Its last command, while it holds the lock.", examples=["sign"])
    last_receipt: datetime | None = Field(
        description="When it last finished a transaction; null: not since the gateway started.",
        examples=["2026-09-21T14:13:05Z"],
    )


class LockState(ApiResponse):
    model_config = about("Who holds the lock of a TSE, who waits for it, and who sold before.")

    lock: HeldLock | None = Field(description="Who holds the TSE; null: nobody.")
    tills: list[TillUse] = Field(
        description="The holder, those who wait in their order, then all others, the latest first."
    )


class ReleasedLock(ApiResponse):
    model_config = about("From whom the lock was taken.")

    released: HeldLock | None = Field(description="Who held it; null: nobody did.")
