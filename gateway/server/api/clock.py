"""Whether the clock of the gateway is right."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from gateway.access.caller import READERS
from gateway.server.api.endpoint import BASE, Call, Endpoint, Section
from gateway.server.api.parameters import NoParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about


class ClockState(ApiResponse):
    model_config = about("The clock of the gateway, and whether TSEs may be given its time.")

    now: datetime = Field(description="Its time.", examples=["2026-09-21T14:13:20Z"])
    fit: bool = Field(
        description="TSEs may be given its time: the system or time servers vouch for it.", examples=[True]
    )
    source: Literal["kernel", "sntp", "none"] = Field(
        description="Who vouches for it: the kernel of the machine, time servers, or nobody.", examples=["kernel"]
    )
    offset_seconds: float | None = Field(
        description="By how much it seemed to be slow; negative: fast; null: unknown.", examples=[0.004]
    )
    reason: str = Field(description="The same in words.", examples=["measured at time servers"])


async def get_clock(call: Call[NoParams, NoBody]) -> ClockState:
    """Return what is known of the clock; time servers are asked once more if nobody vouches for it."""
    status = await call.services.administration.clock_status()
    return ClockState(
        now=datetime.now(UTC).replace(microsecond=0),
        fit=status.fit,
        source=status.source,
        offset_seconds=status.offset,
        reason=status.reason.in_language(call.language),
    )


SECTION = Section(
    "Clock",
    "Whether the time of the gateway is right.",
    (
        Endpoint(
            "GET",
            f"{BASE}/clock",
            READERS,
            get_clock,
            "Get whether the clock is right",
            "To be looked at before a TSE is set up: its time gets on receipts. If nobody vouches for it, time servers "
            "are asked once more, which can take some seconds.",
            (),
        ),
    ),
)
