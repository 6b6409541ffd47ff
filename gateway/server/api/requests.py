"""What the JSON API takes. Bodies are strict: what is not documented is refused, not ignored."""

import base64
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic import model_validator as check_model

from gateway.archive.manifest import FILE_PATTERN
from gateway.i18n.text import Language
from gateway.operations.confirmations import Irreversible
from gateway.tse.credentials import MAX_SEED, RETAIL_SEED

_MOST_NUMBER = 2**53 - 1  # what every JSON library reads exactly
_MOST_DATA = 4 * 2**20
_MOST_BASE64 = 4 * _MOST_DATA // 3 + 4
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

# A client id becomes part of a file name in the store: printable ASCII without slashes.
ClientId = Annotated[
    str, Field(pattern=r"^[ -.0-\[\]-~]{1,30}$", description="the till's name at the TSE", examples=["POS-1"])
]
Pin = Annotated[SecretStr, Field(min_length=5, max_length=5, json_schema_extra={"pattern": "^[!-~]{5}$"})]
Puk = Annotated[SecretStr, Field(min_length=6, max_length=6, json_schema_extra={"pattern": "^[!-~]{6}$"})]
Serial = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$", description="serial of the TSE, 64 hex digits")]
Number = Annotated[int, Field(ge=1, le=_MOST_NUMBER, description="transaction number")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


# ---- parameters of path and query ---------------------------------------------


class NoParams(_Params):
    """None."""


class OfTse(_Params):
    """Which TSE."""

    serial: Serial


class OfTransaction(OfTse):
    """Which transaction."""

    number: Number


class QrKind(StrEnum):
    """Form of a QR code."""

    NONE = "none"
    SVG = "svg"
    PNG = "png"


class Check(StrEnum):
    """What becomes of process data that do not have the form of their type."""

    WARN = "warn"
    ERROR = "error"
    OFF = "off"


class _Signing(_Params):
    check: Check = Field(
        Check.WARN, description="process data of another form than their type demands: tell, refuse, or say nothing"
    )
    qr: QrKind = Field(QrKind.NONE, description="draw the QR code as well")


class SignOnTse(_Signing, OfTse):
    """Which TSE, and what else is wanted."""


class SignInTransaction(_Signing, OfTransaction):
    """Which transaction, and what else is wanted."""


class OfClient(OfTse):
    """Which client; all when it is left out."""

    client_id: Annotated[str, Field(pattern=r"^[ -.0-\[\]-~]{0,30}$", description="empty: all clients")] = ""


class ExportFilter(OfTse):
    """What the export holds: all limits are included, and what is left out limits nothing."""

    from_time: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="first log time, Unix seconds")
    to_time: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="last log time, Unix seconds")
    from_number: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="first transaction number")
    to_number: int | None = Field(None, ge=0, le=_MOST_NUMBER, description="last transaction number")
    client_id: Annotated[str, Field(pattern=r"^[ -.0-\[\]-~]{0,30}$", description="empty: all clients")] = ""


_TillText = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class DsfinvkRow(OfTse):
    """What the till knows for the first columns; they stay empty otherwise."""

    z_kasse_id: Annotated[_TillText, Field(max_length=50)] = ""
    z_erstellung: Annotated[_TillText, Field(max_length=30, examples=["2026-11-24T20:15:00Z"])] = ""
    z_nr: int | None = Field(None, ge=0, le=_MOST_NUMBER)
    tse_id: int | None = Field(None, ge=0, le=_MOST_NUMBER)


class NewerThan(OfTse):
    """Everything behind an earlier export."""

    cursor: Annotated[str, Field(max_length=400, description="TSE-Export-Cursor of the earlier export")]


class ArchiveFile(OfTse):
    """Which segment or manifest."""

    name: Annotated[str, Field(pattern=FILE_PATTERN, description="0001-000001.tar, or .json for its manifest")]


class ArchiveSeries(OfTse):
    """Which of the stores that the TSE has had."""

    series: int | None = Field(None, ge=1, le=9999, description="by default the newest, which the TSE holds now")


class QrOf(OfTransaction):
    """Which transaction, and in which form."""

    kind: Literal["svg", "png"] = Field("svg", description="form of the picture")


def _unix(text: str | None, *, last: bool) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("yyyy-mm-dd"):  # a whole day, where the gateway is
            moment += timedelta(days=last)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise ValueError("there is no such moment") from None


_MOMENT = r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?$"


def _existing(text: str | None) -> str | None:
    _unix(text, last=True)
    return text


_Text = Annotated[
    str | None, Field(pattern=_MOMENT, examples=["2026-11-24", "2026-11-24T08:15:00Z"]), AfterValidator(_existing)
]


class OutageFilter(_Params):
    """Which outages: those of which a part lies in the given time."""

    serial: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9A-Fa-f]{64}$",
            description="of this TSE and of the gateway itself, which is one of every TSE; all when it is left out",
        ),
    ] = None
    from_: _Text = Field(None, alias="from", description="a day or a moment (ISO 8601); local time unless it says more")
    to: _Text = Field(None, description="likewise; a day is included to its end")
    lang: Annotated[Language | None, Field(description="instead of Accept-Language")] = None

    @property
    def since(self) -> float | None:
        """Unix seconds."""
        return _unix(self.from_, last=False)

    @property
    def until(self) -> float | None:
        """The first moment behind, Unix seconds."""
        return _unix(self.to, last=True)


# ---- bodies ---------------------------------------------------------------------


class NoBody(_Body):
    """None."""


class SignBody(_Body):
    """What is to be signed, byte for byte; process data as text or as base64."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["process_data", "process_data_base64"]}})

    client_id: ClientId
    process_type: Annotated[str, Field(max_length=100, examples=["Kassenbeleg-V1"])] = ""
    process_data: Annotated[str, Field(max_length=_MOST_DATA, examples=["Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar"])] = (
        ""
    )
    process_data_base64: Annotated[
        str,
        Field(max_length=_MOST_BASE64, pattern=_BASE64, description="instead of process_data, if that is no text"),
    ] = ""

    @check_model(mode="after")
    def _one_of_two(self) -> Self:
        if {"process_data", "process_data_base64"} <= self.model_fields_set:
            raise ValueError("process_data and process_data_base64 exclude each other")
        return self

    @property
    def data(self) -> bytes:
        """The process data."""
        return base64.b64decode(self.process_data_base64) or self.process_data.encode()


class CancelBody(_Body):
    """Whose transaction; it is finished as an aborted receipt."""

    client_id: ClientId


class SelfTestBody(_Body):
    """By which registered client."""

    client_id: ClientId


class ShowsPin(_Body):
    """What shows a PIN or PUK to the TSE."""

    risk_lockout: bool = Field(
        default=False,
        description="send the PIN or PUK even if it is the last try or was wrong before: when it fails, "
        "a PIN is blocked until the PUK unblocks it, and a blocked PUK ends the administration of the TSE for ever",
    )


class _SetsTime(_Body):
    trust_system_clock: bool = Field(
        default=False,
        description="set the time though nothing says that the clock of the gateway is right: "
        "a wrong time is signed into every receipt",
    )


class AdminBody(ShowsPin):
    """The PIN of the TSE's Admin."""

    admin_pin: Pin


class ClientBody(AdminBody):
    """Which client."""

    client_id: ClientId


class TimeBody(_SetsTime, ShowsPin):
    """Who sets the time; it is the gateway's own."""

    user: Literal["admin", "time_admin"] = "time_admin"
    pin: Pin


class PinBody(ShowsPin):
    """A new PIN of a user who knows the old one."""

    user: Literal["admin", "time_admin"]
    old_pin: Pin
    new_pin: Pin


class PukBody(ShowsPin):
    """A new PUK."""

    old_puk: Puk
    new_puk: Puk


class UnblockBody(ShowsPin):
    """A new PIN by the PUK."""

    user: Literal["admin", "time_admin"]
    puk: Puk
    new_pin: Pin


class ConfirmationBody(_Body):
    """What is going to be done."""

    action: Irreversible


_Token = Annotated[str, Field(max_length=64, description="token of the confirmation for this TSE and this action")]


class SetupBody(_SetsTime, ShowsPin):
    """Everything that a fresh TSE needs. Write PINs and PUK down: nobody can reset them."""

    confirmation: _Token
    admin_puk: Puk
    admin_pin: Pin
    time_admin_pin: Pin
    client_ids: Annotated[list[ClientId], Field(min_length=1, max_length=100)]
    credential_seed: Annotated[SecretStr, Field(max_length=MAX_SEED)] = SecretStr(RETAIL_SEED.decode())


class DecommissionBody(AdminBody):
    """For good."""

    confirmation: _Token


class ExportProof(_Body):
    """A full export that you have made yourself."""

    cursor: Annotated[str, Field(max_length=400, description="its TSE-Export-Cursor")]
    sha256: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$", description="its SHA-256, hex")]


class DeletionBody(AdminBody):
    """What the archive holds is deleted in the TSE."""

    confirmation: _Token
    export: ExportProof | None = Field(None, description="compared with what is stored, too")
