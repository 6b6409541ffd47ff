"""What the JSON API gives. The names of the classes are the schema names of the OpenAPI document."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from gateway.server.api.parameters import SERIAL_EXAMPLE
from gateway.server.api.requests import IrreversibleAction
from gateway.server.api.schema import about

# The examples are what a simulated TSE gave.
KEY_EXAMPLE = (
    "BEfp4NKGap4cQIQ33nXs8uSwtVORrbTQnr4CIt+olS9xr+OLibCzUzM6PoNE0GtACQfOpJtrQWCsU6UsfFFwFv9cIdamP6HfX2QoRKeBt1eE"
    "JviaGzcN3Lo0czR2aaT5Xg=="
)
_SIGNATURE_EXAMPLE = (
    "DRYiBCnNQG1T0hF25wYY5nrU7Z6tpT+VBjyxnenUQsp3eu7ufcm+jXtSG/RvkDajh/b9PUuamlfOr347qBDiAHxT0FGLuUok31+0Ui5UaWPs"
    "zFOrS5lxI9gzCARmbFCJ"
)
_QR_EXAMPLE = (
    "V0;POS-1;Kassenbeleg-V1;Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar;3;8;2026-09-21T14:13:20.000Z;"
    f"2026-09-21T14:13:20.000Z;ecdsa-plain-SHA384;unixTime;{_SIGNATURE_EXAMPLE};{KEY_EXAMPLE}"
)

Serial = Annotated[str, Field(description="Serial of the TSE: 64 hex digits.", examples=[SERIAL_EXAMPLE])]
CheckDigits = Annotated[
    str,
    Field(
        description="Two hex digits to compare when the serial was typed (BSI TR-03153-1, appendix B).", examples=["e3"]
    ),
]
CertifiedUntil = Annotated[
    date | None,
    Field(
        description="Last day of the product's certificate of the BSI; null if this gateway does not know it.",
        examples=["2034-04-20"],
    ),
]
FirmwareKnown = Annotated[
    bool,
    Field(
        description="This gateway knows that the product's certificate names this firmware; false: nobody here knows.",
        examples=[False],
    ),
]


class ApiResponse(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True, defer_build=True)


class Done(ApiResponse):
    model_config = about("The operation is done.")

    done: Literal[True] = True


# ---- problems ------------------------------------------------------------------


class InvalidField(ApiResponse):
    model_config = about("Where a request is wrong, and how.")

    at: str = Field(description="Path of the field in the body.", examples=["client_id"])
    message: str = Field(
        description="What is wrong with it, in the language of `Accept-Language`.", examples=["is missing"]
    )


class Problem(ApiResponse):
    model_config = ConfigDict(
        json_schema_serialization_defaults_required=False,
        json_schema_extra={"description": "Problem details (RFC 9457). Members without a value are left out."},
    )

    type: str = Field(
        description="Page of the gateway that explains the problem; ends with its code.",
        examples=["/docs/errors#lock_refused"],
    )
    title: str = Field(description="The problem in a few words.", examples=["Another client holds the TSE"])
    status: int = Field(description="HTTP status.", examples=[503])
    code: str = Field(description="Stable name of the problem, for programs.", examples=["lock_refused"])
    detail: str | None = Field(
        None,
        description="What happened; of a wrong request in the language of `Accept-Language`.",
        examples=["another client holds the TSE: try again"],
    )
    remedy: str | None = Field(
        None,
        description="The request or command that mends it, in the language of `Accept-Language`.",
        examples=["Try again; who holds it: GET /api/v1/tses/E15E2EAD..."],
    )
    request_id: str = Field(description="Id of the request in the log of the gateway.", examples=["9f86d081884c7d65"])
    device_result: int | None = Field(None, description="Result code of the TSE, if it refused a command.")
    tries_left: int | None = Field(
        None, description="Tries left before the PIN or PUK is blocked; 0: it is blocked. Generation 2 blocks no PUK."
    )
    clock_offset_seconds: float | None = Field(
        None, description="By how much the clock of the gateway seemed to be slow; negative: fast."
    )
    errors: list[InvalidField] | None = Field(None, description="The fields of the body that are wrong.")


# ---- signing -------------------------------------------------------------------


class ProcessDataWarning(ApiResponse):
    model_config = about("How process data differ from the form of their type. They are signed unchanged.")

    code: str = Field(description="Stable name of the difference, for programs.", examples=["start_not_empty"])
    message: str = Field(
        description="The difference, for people.",
        examples=["a transaction is started with empty process type and data"],
    )


class SignedReceipt(ApiResponse):
    model_config = about("All that a receipt must show of a signed step of a transaction.")

    operation: Literal["start", "update", "finish"] = Field(
        description="The step; only a finish makes a receipt.", examples=["finish"]
    )
    certified: bool = Field(
        description="False: a simulated TSE signed this, so it is no receipt before the law.", examples=[False]
    )
    tse_serial: Serial
    client_id: str = Field(description="The name of the till at the TSE.", examples=["POS-1"])
    transaction_number: int = Field(description="Number of the transaction.", examples=[3])
    signature_counter: int = Field(description="Counts the signatures of the TSE.", examples=[8])
    start_time: datetime | None = Field(
        description="Start of the transaction; null if that was too long ago to be known.",
        examples=["2026-09-21T14:13:20Z"],
    )
    log_time: datetime = Field(
        description="Time of this step; of a finish the end of the transaction.", examples=["2026-09-21T14:13:20Z"]
    )
    process_type: str = Field(description="Type of the process data.", examples=["Kassenbeleg-V1"])
    process_data: str | None = Field(
        description="The signed process data; null if they are no UTF-8 text.",
        examples=["Beleg^1.19_0.00_0.00_0.00_0.00^1.19:Bar"],
    )
    process_data_base64: str = Field(
        description="The signed process data, base64.",
        examples=["QmVsZWdeMS4xOV8wLjAwXzAuMDBfMC4wMF8wLjAwXjEuMTk6QmFy"],
    )
    signature: str = Field(description="The signature: r and s, base64.", examples=[_SIGNATURE_EXAMPLE])
    signature_algorithm: str = Field(description="For the QR code and DSFinV-K.", examples=["ecdsa-plain-SHA384"])
    log_time_format: str = Field(description="For the QR code and DSFinV-K.", examples=["unixTime"])
    public_key: str = Field(description="Key of the TSE: the uncompressed point, base64.", examples=[KEY_EXAMPLE])
    qr_text: str | None = Field(
        description="Text of the QR code (DSFinV-K, V0); null unless this is a finish.", examples=[_QR_EXAMPLE]
    )
    qr_svg: str | None = Field(None, description="The QR code as SVG, if the request asked for it.", examples=[None])
    qr_png_base64: str | None = Field(
        None, description="The QR code as PNG, base64, if the request asked for it.", examples=[None]
    )
    warnings: list[ProcessDataWarning] = Field([], description="What is unusual about the process data.")
    reference: str = Field("", description="The id that the client gave.", examples=["till-3/417"])
    metadata: dict[str, str] = Field({}, description="The values that the client gave.", examples=[{"table": "7"}])
    replayed: bool = Field(default=False, description="This Idempotency-Key was used before; nothing was signed again.")


class OpenTransaction(ApiResponse):
    model_config = about("A transaction that was started and not finished.")

    transaction_number: int = Field(description="Number of the transaction.", examples=[3])
    start_time: datetime | None = Field(
        description="Its start, if it was started through this API not long ago.", examples=["2026-09-21T14:13:20Z"]
    )


class OpenTransactionList(ApiResponse):
    model_config = about("Open transactions, by number.")

    transactions: list[OpenTransaction]


# ---- TSEs ----------------------------------------------------------------------


class HeldLock(ApiResponse):
    model_config = about("Who holds the lock of a TSE.")

    peer: str = Field(
        description="Address and port of the client; empty: the gateway itself.", examples=["10.0.0.7:51234"]
    )
    client_id: str = Field(description="The till in its commands; empty: none was seen.", examples=["POS-1"])
    token: str = Field(description="Name of its token; empty: the gateway itself.", examples=["kasse-1"])
    since: datetime = Field(description="When it got the lock.", examples=["2026-09-21T14:13:20Z"])
    held_seconds: float = Field(description="For how long it has held it.", examples=[12.5])
    last_command: str = Field(description="Its last command; empty: it only reads.", examples=["sign"])
    last_request_seconds: float = Field(description="Time since its last request.", examples=[0.2])


class TseSummary(ApiResponse):
    model_config = about("A TSE as last read. Durations are seconds, sizes of the store are blocks of 512 bytes.")

    serial: Serial
    place: str = Field(description="Where the TSE is attached.", examples=["simulator-1"])
    attached: bool = Field(description="It is plugged in, whether it works or not.", examples=[True])
    state: Literal["ready", "not_ready", "failed"] = Field(
        description="It can sign, it answers and cannot sign, or it cannot be used.", examples=["ready"]
    )
    code: str = Field(description="Why it cannot sign, as in /readyz; empty while it is ready.", examples=[""])
    reason: str = Field(description="The same in words; empty while it is ready.", examples=[""])
    held_seconds: float | None = Field(
        description="For how long a client has held the TSE; null: nobody holds it.", examples=[None]
    )
    lock: HeldLock | None = Field(description="Who holds the TSE; null: nobody.")
    waiting_clients: int = Field(description="Clients that wait for the TSE.", examples=[0])
    read_at: datetime = Field(description="When all this was read from the TSE.", examples=["2026-09-21T14:13:20Z"])
    lifecycle: str = Field(
        description="uninitialized, initialized, decommissioned, or unknown.", examples=["initialized"]
    )
    description: str = Field(description="How the TSE describes itself.", examples=["BSI-K-TR-0000-2026 SIMULATOR"])
    certified: bool = Field(description="False for a simulated TSE, which never is.", examples=[False])
    form_factor: str = Field(description="Form of the TSE.", examples=["USB"])
    software_version: str = Field(description="Version of its firmware.", examples=["1.1.0"])
    generation: int = Field(description="1 for firmware 1.x, 2 for firmware 2.x.", examples=[1])
    old_tills: bool = Field(
        description="Generation 2: commands of tills with software for generation 1 are translated.",
        examples=[False],
    )
    valid_time: bool = Field(description="Its time is set.", examples=[True])
    self_test_passed: bool = Field(description="It passed its self test since it got power.", examples=[True])
    self_test_due_seconds: int = Field(description="Until the next self test is due.", examples=[89999])
    ctss_active: bool = Field(description="Its secure storage (CTSS) is active; it signs only then.", examples=[True])
    open_transactions: int = Field(description="Transactions that are not finished.", examples=[0])
    registered_clients: int = Field(description="Registered tills.", examples=[2])
    max_registered_clients: int = Field(description="Tills that can be registered.", examples=[100])
    created_signatures: int = Field(description="Signatures made so far.", examples=[8])
    remaining_signatures: int = Field(description="Signatures left.", examples=[19999992])
    used_blocks: int = Field(description="Used blocks of the store.", examples=[25])
    capacity_blocks: int = Field(description="All blocks of the store.", examples=[15000000])
    certificate_expires: datetime = Field(
        description="When its certificate ends; it signs no longer then.", examples=["2031-11-29T08:18:59Z"]
    )


class TseList(RootModel[list[TseSummary]]):
    model_config = about("All TSEs that were seen since the gateway started.")


class GrowthForecast(ApiResponse):
    model_config = about("How long a TSE lasts at its growth since the first stored message.")

    since: datetime = Field(description="Time of the first stored message.", examples=["2026-09-21T14:13:20Z"])
    signatures_per_day: float = Field(description="Signatures a day since then.", examples=[212.5])
    store_blocks_per_day: float = Field(description="Blocks of the store a day since then.", examples=[482.25])
    signatures_days_left: float | None = Field(
        description="Days until the signatures are used up; null: not within a hundred years.", examples=[None]
    )
    store_days_left: float | None = Field(
        description="Days until the store is full; null: not within a hundred years.", examples=[30396.2]
    )


class TseDetails(TseSummary):
    model_config = about("All that is known of a TSE, and how long it will last.")

    serial_check_digits: CheckDigits
    public_key: str = Field(description="Its key: the uncompressed point, base64.", examples=[KEY_EXAMPLE])
    hardware_version: str = Field(description="Version of its hardware.", examples=["1.0.0"])
    max_open_transactions: int = Field(description="Transactions that can be open at a time.", examples=[512])
    time_sync_due_seconds: int = Field(description="Until its time must be set again.", examples=[1799])
    credentials_changed: bool = Field(description="No PIN or PUK is the initial one any more.", examples=[True])
    pin_tries_left: dict[str, int] = Field(
        description="Tries left for `admin`, `time_admin` and `puk`, known only after a wrong one; 0: blocked.",
        examples=[{"admin": 2}],
    )
    logged_in_user: str | None = Field(
        description="Generation 2: who is logged in, `admin`, `time_admin` or `logger`; null: nobody.",
        examples=[None],
    )
    puk_blocked_seconds: dict[str, int] = Field(
        description="Generation 2: for how long it takes no PUK of a user, after wrong ones.", examples=[{}]
    )
    product_certified_until: CertifiedUntil
    firmware_known: FirmwareKnown
    login_objection: str = Field(
        description="Why the gateway tries no login by itself; empty if it may.", examples=[""]
    )
    found_ahead: datetime | None = Field(
        description="When it last held transactions that the gateway does not know: it was used elsewhere, or the "
        "state of the gateway is an older backup. Null: never.",
        examples=[None],
    )
    certificate_days_left: int = Field(description="Days until its certificate ends.", examples=[1825])
    signatures_left_percent: float = Field(description="Signatures left of all.", examples=[99.999])
    store_used_percent: float = Field(description="Used part of the store.", examples=[0.001])
    forecast: GrowthForecast | None = Field(
        description="Null while the store is closed or younger than a day, or the TSE is busy when first asked for it."
    )


class FlashMemoryHealth(ApiResponse):
    model_config = about("State of the flash memory, as the TSE reports it.")

    spare_blocks_percent: int = Field(description="Spare blocks left.", examples=[100])
    uncorrectable_ecc_errors: int = Field(description="Errors that could not be corrected.", examples=[0])
    remaining_erases_percent: int = Field(description="Erase cycles left.", examples=[98])
    ten_year_retention_percent: int = Field(
        description="Erase cycles left within which data last ten years.", examples=[96]
    )
    needs_replacement: bool = Field(description="The TSE should be replaced.", examples=[False])


# ---- outages -------------------------------------------------------------------


class LoggedOutage(ApiResponse):
    model_config = about("A time in which a TSE could not be used.")

    tse_serial: str | None = Field(
        description="Serial of the TSE; null: the gateway itself did not run, so no TSE could be used by it.",
        examples=[SERIAL_EXAMPLE],
    )
    reason: str = Field(description="Stable name of the reason, for programs.", examples=["unplugged"])
    reason_text: str = Field(
        description="The reason in words, in the language of `lang` or `Accept-Language`.",
        examples=["the TSE was unplugged"],
    )
    began: datetime = Field(description="Its begin.", examples=["2026-09-21T14:13:20Z"])
    ended: datetime | None = Field(description="Its end; null while it lasts.", examples=["2026-09-21T14:17:50Z"])
    seconds: float = Field(description="How long it lasted, or lasts until now.", examples=[270.0])
    refused_requests: int = Field(description="Requests of tills that were refused meanwhile.", examples=[3])
    refused_tills: int = Field(description="From how many addresses these came.", examples=[1])
    served_by: str | None = Field(
        None,
        description="Serial of the standby that served in place of the TSE: a change in the pool, and no outage; null "
        "otherwise.",
        examples=[None],
    )


class OutageList(ApiResponse):
    model_config = about("Outages, the oldest first.")

    site: str = Field(description="Name of the site, from the settings of the gateway.", examples=["Filiale Köln"])
    outages: list[LoggedOutage]


# ---- administration ------------------------------------------------------------


class ClientList(ApiResponse):
    model_config = about("The registered clients, in the order of their registration.")

    client_ids: list[str] = Field(description="Names of the tills at the TSE.", examples=[["POS-1", "POS-2"]])


class TseTime(ApiResponse):
    model_config = about("The time that the TSE got.")

    time: datetime = Field(description="The time of the gateway when it was set.", examples=["2026-09-21T14:13:20Z"])


class ConfirmationToken(ApiResponse):
    model_config = about("Permission for one irreversible action, good for one use within its time.")

    token: str = Field(description="Send it with the action.", examples=["pXk3cVb0vN5yQd1mS8rTzA"])
    serial: Serial
    action: IrreversibleAction = Field(description="The action that it permits.", examples=["decommission"])
    consequence: str = Field(
        description="What the action does, for whoever confirms it, in the language of `Accept-Language`.",
        examples=[f"TSE {SERIAL_EXAMPLE} is taken out of service for good and never signs again"],
    )
    valid_seconds: float = Field(description="How long it is valid.", examples=[60.0])


class DeletionResult(ApiResponse):
    model_config = about("Where the archive keeps the log messages that were deleted in the TSE.")

    archive_series: int = Field(description="Series of the archive that holds them.", examples=[1])
    rest_file: str = Field(
        description="Segment with what was signed last, the login for the deletion included.",
        examples=["0001-000003.tar"],
    )
    complete_up_to_counter: int | None = Field(
        description="Signature counter of the last log message that the archive holds.", examples=[13]
    )
