"""Bodies of requests to the JSON API.

They are strict: what is not documented is refused, not ignored. The names of the classes are the schema names of the
OpenAPI document; its texts and examples stand here as well.
"""

import base64
import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic import model_validator as check_model

from gateway.errors import UnfitValue
from gateway.i18n.text import Text
from gateway.server.api.parameters import Cursor
from gateway.server.api.schema import about
from gateway.server.api.typed_receipts import RECEIPT_EXAMPLE, TypedOrder, TypedReceipt
from gateway.server.http.bodies import SMALL
from gateway.tse import processdata
from gateway.tse.credentials import MAX_SEED, RETAIL_SEED

_MOST_DATA = 4 * 2**20
_MOST_BASE64 = 4 * _MOST_DATA // 3 + 4
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_TYPED = {"receipt": processdata.RECEIPT, "order": processdata.ORDERS, "other": processdata.OTHER}
_EXCLUDE = Text("{first} and {second} exclude each other", "{first} und {second} schließen einander aus")
_OTHER_TYPE = Text(
    "process_type of {field} is {type}, or left out", "der process_type von {field} ist {type} oder fehlt"
)
# A client id becomes part of a file name in the store: printable ASCII without slashes.
_CLIENT_ID = r"^[ -.0-\[\]-~]{1,30}$"
_BAD_CLIENT_ID = Text(
    "is not of 1 to 30 letters from A to Z, digits, spaces and signs such as - _ . that a TSE takes in the name of a "
    "till: "
    "no umlauts, no / and no \\",
    "besteht nicht aus 1 bis 30 Buchstaben von A bis Z, Ziffern, Leerzeichen und Zeichen wie - _ ., die eine TSE im "
    "Namen "
    "einer Kasse zulässt: keine Umlaute (ae statt ä), kein ß, kein / und kein \\",
)


def checked_client_id(name: str) -> str:
    """Return `name` if a TSE takes it for a till.

    Raises:
        UnfitValue: it does not.
    """
    if not re.fullmatch(_CLIENT_ID, name):
        raise UnfitValue(_BAD_CLIENT_ID)
    return name


ClientId = Annotated[
    str,
    AfterValidator(checked_client_id),
    Field(
        json_schema_extra={"pattern": _CLIENT_ID}, description="The name of the till at the TSE.", examples=["POS-1"]
    ),
]
_Pin = Annotated[
    SecretStr,
    Field(min_length=5, max_length=5, json_schema_extra={"pattern": "^[!-~]{5}$"}, examples=["40213"]),
]
_Puk = Annotated[
    SecretStr,
    Field(min_length=6, max_length=6, json_schema_extra={"pattern": "^[!-~]{6}$"}, examples=["917340"]),
]
_Token = Annotated[
    str,
    Field(
        max_length=64,
        description="Token of a confirmation for this TSE and this action.",
        examples=["pXk3cVb0vN5yQd1mS8rTzA"],
    ),
]
_Reference = Annotated[
    str,
    Field(
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Id of the receipt in your software. It is not signed, and comes back in responses; with an "
        "`Idempotency-Key` also with the transaction, as long as the key is kept.",
        examples=["till-3/417"],
    ),
]
_NAME = r"^[A-Za-z0-9_.-]{1,40}$"
_BAD_NAME = Text(
    "has a name that is not of 1 to 40 letters, digits, _, . or -",
    "hat einen Namen, der nicht aus 1 bis 40 Buchstaben, Ziffern, _, . oder - besteht",
)


def _named(metadata: dict[str, str]) -> dict[str, str]:
    if not all(re.fullmatch(_NAME, name, re.ASCII) for name in metadata):
        raise UnfitValue(_BAD_NAME)
    return metadata


_Metadata = Annotated[
    dict[str, Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]],
    Field(
        max_length=10,
        description="At most ten values of your own, kept like `reference`.",
        examples=[{"table": "7"}],
        json_schema_extra={"propertyNames": {"pattern": _NAME}},
    ),
    AfterValidator(_named),
]
_PinUser = Literal["admin", "time_admin", "logger"]


class RequestBody(BaseModel):
    longest: ClassVar[int] = SMALL  # bytes
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, defer_build=True)


class NoBody(RequestBody):
    """No body."""


class SignRequest(RequestBody):
    longest = 2 * _MOST_DATA
    model_config = about(
        "What is signed: one of `receipt`, `order`, `other`, of which the gateway makes the process data, or process "
        "data as they are, in `process_data` or `process_data_base64`. The others are left out, null, or empty."
    )

    client_id: ClientId
    process_type: Annotated[
        str,
        Field(
            max_length=100,
            description="Type of the process data (DSFinV-K): Kassenbeleg-V1, Bestellung-V1, SonstigerVorgang.",
        ),
    ] = ""
    receipt: TypedReceipt | None = Field(
        None, description="A receipt, signed as Kassenbeleg-V1.", examples=[RECEIPT_EXAMPLE]
    )
    order: TypedOrder | None = Field(None, description="An order, signed as Bestellung-V1.")
    other: str | None = Field(
        None, max_length=_MOST_DATA, description="Text of anything else, signed as SonstigerVorgang."
    )
    process_data: Annotated[
        str | None,
        Field(
            max_length=_MOST_DATA,
            description="Process data as text; signed as UTF-8. Those of Kassenbeleg-V1 have five gross totals: "
            "general rate (19 %), reduced rate (7 %), average rates of § 24 (1) no. 3 and no. 1 UStG, 0 %.",
        ),
    ] = None
    process_data_base64: Annotated[
        str | None, Field(max_length=_MOST_BASE64, pattern=_BASE64, description="Process data that are no text.")
    ] = None
    reference: _Reference = ""
    metadata: _Metadata = {}

    @check_model(mode="after")
    def _one_of_them(self) -> Self:
        given = [name for name in (*_TYPED, "process_data", "process_data_base64") if getattr(self, name)]
        if len(given) > 1:
            raise UnfitValue(_EXCLUDE, first=given[0], second=given[1])
        if given and given[0] in _TYPED and self.process_type not in {"", _TYPED[given[0]]}:
            raise UnfitValue(_OTHER_TYPE, field=given[0], type=_TYPED[given[0]])
        return self

    @property
    def signed_type(self) -> bytes:
        """The process type as bytes."""
        typed = next((kind for name, kind in _TYPED.items() if getattr(self, name)), self.process_type)
        return typed.encode()

    @property
    def signed_data(self) -> bytes:
        """The process data as bytes."""
        made = self.receipt or self.order
        if made is not None:
            return made.process_data().encode()
        return base64.b64decode(self.process_data_base64 or "") or (self.process_data or self.other or "").encode()


class CancelRequest(RequestBody):
    model_config = about("Whose transaction is finished as an aborted receipt.")

    client_id: ClientId


class SelfTestRequest(RequestBody):
    model_config = about("In whose name the self test is run.")

    client_id: ClientId | None = Field(
        None, description="Generation 1: a registered client. Generation 2 needs none.", examples=["POS-1"]
    )


class ShowsPin(RequestBody):
    risk_lockout: bool = Field(
        default=False,
        description="Send the PIN or PUK even if it is the last try or was wrong before. When it fails, a PIN is "
        "blocked until the PUK unblocks it, and a blocked PUK ends the administration of the TSE for ever "
        "(generation 1).",
    )


class _SetsTime(RequestBody):
    trust_system_clock: bool = Field(
        default=False,
        description="Set the time though nothing says that the clock of the gateway is right. "
        "A wrong time is signed into every receipt.",
    )


class AdminRequest(ShowsPin):
    model_config = about("The PIN of the TSE's Admin.")

    admin_pin: Annotated[_Pin, Field(description="PIN of the Admin.")]


class ClientRequest(AdminRequest):
    model_config = about("The client that is registered or deregistered.")

    client_id: ClientId


class RenameRequest(ClientRequest):
    model_config = about("The client that gets another name.")

    new_client_id: ClientId


class TimeRequest(_SetsTime, ShowsPin):
    model_config = about("Who sets the time.")

    user: Annotated[_PinUser, Field(description="Whose PIN it is.")] = "time_admin"
    pin: Annotated[_Pin, Field(description="PIN of this user.")]


class KeepPinRequest(ShowsPin):
    model_config = about("The PIN of the TSE's TimeAdmin.")

    pin: Annotated[_Pin, Field(description="PIN of the TimeAdmin.")]


class PinChangeRequest(ShowsPin):
    model_config = about("A new PIN for a user whose old one is known.")

    user: Annotated[_PinUser, Field(description="Whose PIN is changed.")]
    old_pin: Annotated[_Pin, Field(description="The PIN until now.")]
    new_pin: Annotated[_Pin, Field(description="The PIN from now on.")]


class PukChangeRequest(ShowsPin):
    model_config = about("A new PUK; in generation 1 one PUK serves both users.")

    user: _PinUser | None = Field(
        None,
        description="Whose PUK is changed in generation 2; left out, the PUKs of all users, which must be the same.",
    )

    old_puk: Annotated[_Puk, Field(description="The PUK until now.")]
    new_puk: Annotated[_Puk, Field(description="The PUK from now on.")]


class UnblockRequest(ShowsPin):
    model_config = about("A new PIN, set by the PUK.")

    user: Annotated[_PinUser, Field(description="Whose PIN is set.")]
    puk: Annotated[_Puk, Field(description="The PUK; in generation 2 that of the user.")]
    new_pin: Annotated[_Pin, Field(description="The PIN from now on.")]


IrreversibleAction = Literal["setup", "decommission", "delete_stored_data"]


class ConfirmationRequest(RequestBody):
    model_config = about("The action that is going to be done.")

    action: Annotated[IrreversibleAction, Field(description="An action that cannot be undone.")]


class SetupRequest(_SetsTime, ShowsPin):
    model_config = about("All that a fresh TSE needs. Write the PINs and the PUK down: nobody can reset them.")

    confirmation: _Token
    admin_puk: Annotated[_Puk, Field(description="The PUK from now on; in generation 2 of all users.")]
    admin_pin: Annotated[_Pin, Field(description="The PIN of the Admin from now on.")]
    time_admin_pin: Annotated[_Pin, Field(description="The PIN of the TimeAdmin from now on.")]
    client_ids: Annotated[list[ClientId], Field(min_length=1, max_length=100, description="The tills to register.")]
    credential_seed: Annotated[
        SecretStr,
        Field(max_length=MAX_SEED, description="Seed of the initial PINs, if the reseller of the TSE chose one."),
    ] = SecretStr(RETAIL_SEED.decode())


class DecommissionRequest(AdminRequest):
    model_config = about("The confirmation that the TSE is taken out of service for good.")

    confirmation: _Token


class ClientsTransfer(AdminRequest):
    model_config = about("The TSE that gets the clients of another one.")

    new_serial: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$", description="Serial of the TSE that gets them.")]
    new_admin_pin: Annotated[_Pin, Field(description="PIN of its Admin.")]


class OwnExport(RequestBody):
    model_config = about("A full export that you made yourself, to be compared with what is stored.")

    cursor: Cursor
    sha256: Annotated[
        str,
        Field(pattern=r"^[0-9A-Fa-f]{64}$", description="SHA-256 of the export: 64 hex digits.", examples=["5e" * 32]),
    ]


class DeletionRequest(AdminRequest):
    model_config = about("The confirmation that the log messages in the TSE are deleted.")

    confirmation: _Token
    export: OwnExport | None = Field(None, description="An export of your own, to be compared as well.")
