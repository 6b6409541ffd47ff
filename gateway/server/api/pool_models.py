"""Bodies and responses about the pool; the names of the classes are schema names of the OpenAPI document."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from gateway.server.api.parameters import SERIAL_EXAMPLE
from gateway.server.api.requests import RequestBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about


class PoolUse(RequestBody):
    model_config = about("Which TSE of the pool is to serve.")

    serial: Annotated[
        str,
        Field(
            pattern=r"^[0-9A-Fa-f]{4,64}$",
            description="Its serial, or the beginning; that of the primary to go back.",
            examples=[SERIAL_EXAMPLE],
        ),
    ]


class PoolTse(ApiResponse):
    model_config = about("A TSE of the pool.")

    serial: str = Field(description="Its serial.", examples=[SERIAL_EXAMPLE])
    role: Literal["primary", "standby"] = Field(
        description="The primary serves; standbys, in this order, while it has failed."
    )
    serves: bool = Field(description="It signs what is sent to the pool, and tills are offered it.", examples=[True])
    ready: bool = Field(description="It can sign now.", examples=[True])
    missing_clients: int = Field(
        description="At least so many clients of the primary are not registered with this standby: they could not "
        "sign there.",
        examples=[0],
    )


class PoolState(ApiResponse):
    model_config = about("The pool of the gateway.")

    serving: str = Field(description="Serial of the TSE that serves now.", examples=[SERIAL_EXAMPLE])
    standby_since: datetime | None = Field(
        description="Since when a standby serves; null while the primary does.", examples=[None]
    )
    after_seconds: float = Field(
        description="How long the TSE that serves must have failed before another one serves.", examples=[30.0]
    )
    tses: list[PoolTse] = Field(description="Its TSEs in their order, the primary first.")
