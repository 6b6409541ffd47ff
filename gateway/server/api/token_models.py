"""Bodies and responses about tokens; the names of the classes are schema names of the OpenAPI document."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from gateway.config.secret import checked_name
from gateway.server.api.parameters import NoParams
from gateway.server.api.requests import ClientId, RequestBody
from gateway.server.api.responses import ApiResponse
from gateway.server.api.schema import about

_DAY = 86_400
TokenRole = Literal["till", "operator", "auditor", "monitor"]

_NewName = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"}),
    AfterValidator(checked_name),
]
_SerialBeginning = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,64}$", examples=["E15E2EAD"])]
_Digits = Annotated[
    int | None,
    Field(
        ge=0,
        le=32,
        description="Digits of the token, 6 at least; 0: a long one with letters; null: as `token_digits` for tills, "
        "else a long one.",
        examples=[10],
    ),
]


class TokenParams(NoParams):
    """A token."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=40,
            description="Name of the token; lan is that of session.txt.",
            examples=["kassen"],
        ),
    ]


class TokenRequest(RequestBody):
    model_config = about("What a token is to be. Empty lists limit nothing.")

    name: Annotated[_NewName, Field(description="Its name.", examples=["kassen"])]
    role: TokenRole = Field(description="What it is for.")
    tses: tuple[_SerialBeginning, ...] = Field(
        (), max_length=64, description="Beginnings of the serials of the TSEs that it is for.", strict=False
    )
    client_ids: tuple[ClientId, ...] = Field(
        (), max_length=256, description="The client ids that it may act for.", strict=False
    )
    ends: AwareDatetime | None = Field(
        None, description="When it ends; null: never.", examples=["2027-12-31T23:00:00Z"], strict=False
    )
    digits: _Digits = None


class TokenRotation(RequestBody):
    model_config = about("How a token is replaced.")

    overlap_seconds: Annotated[
        float,
        Field(ge=0, le=366 * _DAY, description="For how long the one before still counts; 0: it ends at once."),
    ] = 7 * _DAY
    digits: _Digits = None


class TokenRevocation(RequestBody):
    model_config = about("Which tokens of a name end.")

    old_only: bool = Field(default=False, description="Only those that were replaced, not the present one.")


class TokenSecret(ApiResponse):
    model_config = about("A new token. It is shown this once; the gateway keeps a hash of it.")

    name: str = Field(description="Its name.", examples=["kassen"])
    token: str = Field(description="The token.", examples=["4711081542"])
    warning: str | None = Field(description="What its shortness costs; null: it is long enough.", examples=[None])


class TokenUse(ApiResponse):
    model_config = about("A use of a token.")

    at: datetime = Field(description="When.", examples=["2026-09-21T14:13:20Z"])
    address: str = Field(description="From where; empty: from this machine.", examples=["10.0.0.7"])
    client_id: str = Field(description="For which till; empty: none was named.", examples=["POS-1"])


class OldToken(ApiResponse):
    model_config = about("A token that was replaced and still counts.")

    ends: datetime | None = Field(description="When it ends.", examples=["2026-09-28T14:13:20Z"])


class TokenDetails(ApiResponse):
    model_config = about("A token, without the token itself.")

    name: str = Field(description="Its name.", examples=["kassen"])
    role: Literal["lan", "till", "operator", "auditor", "monitor"] = Field(
        description="What it is for; lan: everything but the tokens.", examples=["till"]
    )
    place: Literal["gateway", "file", "settings"] = Field(
        description="Where it stands: the gateway keeps it, in a secret file, or in the settings.", examples=["gateway"]
    )
    tses: list[str] = Field(description="TSEs that it is for; empty: all.", examples=[["E15E2EAD"]])
    client_ids: list[str] = Field(description="Client ids that it may act for; empty: all.", examples=[["POS-1"]])
    made: datetime | None = Field(
        description="When it was made, if the gateway knows.", examples=["2026-09-21T14:13:20Z"]
    )
    ends: datetime | None = Field(description="When it ends; null: never.", examples=[None])
    last_use: TokenUse | None = Field(description="Its last use; null: none is known.")
    old: list[OldToken] = Field(description="Those before it that still count.")
    old_last_use: TokenUse | None = Field(description="The last use of one of these; null: none is known.")
    laggards: list[TokenUse] = Field(
        description="Who came with one of these last, since the gateway started, and not with the present one since."
    )


class TokenList(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_extra={"description": "The tokens that count now."})

    tokens: list[TokenDetails] = Field(description="By name.")
