"""What the JSON API gives."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from gateway.operations.confirmations import Irreversible


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Done(_Answer):
    """It is done."""

    done: Literal[True] = True


class Place(_Answer):
    """Where a request is wrong, and how."""

    at: str
    message: str


class Problem(_Answer):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="stable name of the problem, for programs")
    detail: str | None = Field(None, description="what to do, for people")
    request_id: str = Field(description="the same as in the gateway's log")
    device_result: int | None = Field(None, description="result code of the TSE")
    tries_left: int | None = Field(None, description="tries left before the PIN or PUK is blocked")
    clock_offset_seconds: float | None = Field(None, description="what the clock of the gateway seemed to lack")
    errors: list[Place] | None = None


class Warning_(_Answer):  # noqa: N801 (the builtin has the better name)
    """Process data do not have the form of their type; they are signed unchanged."""

    model_config = ConfigDict(frozen=True, title="Warning")

    code: str
    message: str


class ReceiptAnswer(_Answer):
    """Everything that a receipt must show of a signed step."""

    model_config = ConfigDict(frozen=True, title="Receipt")

    operation: Literal["start", "update", "finish"]
    tse_serial: str
    client_id: str
    transaction_number: int
    signature_counter: int
    start_time: datetime | None = Field(description="start of the transaction; null if that was too long ago")
    log_time: datetime = Field(description="time of this step: for a finish the end of the transaction")
    process_type: str
    process_data: str | None = Field(description="null if they are no UTF-8 text")
    process_data_base64: str
    signature: str = Field(description="base64 of r and s")
    signature_algorithm: str
    log_time_format: str
    public_key: str = Field(description="base64 of the uncompressed point")
    qr_text: str | None = Field(description="text of the QR code (V0); of a finish only")
    qr_svg: str | None = None
    qr_png_base64: str | None = None
    warnings: list[Warning_] = []
    replayed: bool = Field(default=False, description="this Idempotency-Key was answered before")


class OpenTransaction(_Answer):
    """One open transaction; `start_time` if it was started through this API not long ago."""

    transaction_number: int
    start_time: datetime | None


class OpenTransactions(_Answer):
    """By number."""

    transactions: list[OpenTransaction]


class Clients(_Answer):
    """In the order of their registration."""

    client_ids: list[str]


class TimeSet(_Answer):
    """The time that the TSE got."""

    time: datetime


class Deleted(_Answer):
    """The log messages are deleted; the archive has them as this series."""

    archive_series: int
    rest_file: str = Field(description="segment with what was signed last, the login for this step included")
    complete_up_to_counter: int | None


class ConfirmationAnswer(_Answer):
    """Use the token within its time, once."""

    model_config = ConfigDict(frozen=True, title="Confirmation")

    token: str
    serial: str
    action: Irreversible
    consequence: str
    valid_seconds: float


class TseSummary(BaseModel):
    """One TSE as known without asking it. Durations in seconds."""

    model_config = ConfigDict(extra="allow", frozen=True)

    serial: str
    place: str
    attached: bool = Field(description="it is plugged in, whether it works or not")
    state: Literal["ready", "failed"]
    reason: str
    lifecycle: str
    description: str
    software_version: str
    valid_time: bool
    self_test_passed: bool
    self_test_due_seconds: int
    open_transactions: int
    registered_clients: int
    max_registered_clients: int
    created_signatures: int
    remaining_signatures: int
    used_blocks: int
    capacity_blocks: int
    certificate_expires: datetime


class TseList(RootModel[list[TseSummary]]):
    """All TSEs that were seen since the gateway started."""


class GrowthForecast(_Answer):
    """At the growth since the first stored message; null: not within a hundred years."""

    model_config = ConfigDict(frozen=True, title="Forecast")

    since: datetime
    signatures_per_day: float
    store_blocks_per_day: float
    signatures_days_left: float | None
    store_days_left: float | None


class TseDetails(TseSummary):
    """Everything known of a TSE, and how long it will last."""

    serial_check_digits: str = Field(description="two hex digits to compare when the serial is typed (TR-03153)")
    public_key: str = Field(description="base64 of the uncompressed point")
    hardware_version: str
    max_open_transactions: int
    time_sync_due_seconds: int
    credentials_changed: bool = Field(description="no PIN or PUK is the initial one any more")
    pin_tries_left: dict[str, int] = Field(
        description="of admin, time_admin, puk; only after a wrong one; 0 is blocked"
    )
    login_objection: str = Field(description="why the gateway tries no login by itself; empty if it may")
    certificate_days_left: int
    signatures_left_percent: float
    store_used_percent: float
    forecast: GrowthForecast | None = Field(
        description="null while the store is closed or young (a day), or the TSE is busy when it is first asked for"
    )


class Health(_Answer):
    """State of the flash memory."""

    spare_blocks_percent: int
    uncorrectable_ecc_errors: int
    remaining_erases_percent: int
    ten_year_retention_percent: int
    needs_replacement: bool


class OutageAnswer(_Answer):
    """A time in which a TSE could not be used."""

    model_config = ConfigDict(frozen=True, title="Outage")

    tse_serial: str | None = Field(description="null: the gateway itself did not run, so no TSE could be used by it")
    reason: str = Field(description="stable name, for programs")
    reason_text: str = Field(description="in words, by `lang` or Accept-Language")
    began: datetime
    ended: datetime | None = Field(description="null while it lasts")
    seconds: float
    refused_requests: int = Field(description="requests of tills that were refused meanwhile")
    refused_tills: int = Field(description="from how many addresses they came")


class OutageList(_Answer):
    """Oldest first."""

    site: str
    outages: list[OutageAnswer]


class DsfinvkTse(_Answer):
    """A row of tse.csv (DSFinV-K, Stamm_TSE); the till adds its own columns."""

    TSE_SERIAL: str
    TSE_SIG_ALGO: str
    TSE_ZEITFORMAT: str
    TSE_PD_ENCODING: str
    TSE_PUBLIC_KEY: str
    TSE_ZERTIFIKAT_I: str
    TSE_ZERTIFIKAT_II: str
    TSE_ZERTIFIKAT_III: str
    TSE_ZERTIFIKAT_IV: str
    TSE_ZERTIFIKAT_V: str
    TSE_ZERTIFIKAT_VI: str
    TSE_ZERTIFIKAT_VII: str


class ElsterSheet(_Answer):
    """What the report to the tax office (ELSTER) asks about a TSE."""

    tse_serial: str
    serial_check_digits: str
    certification_id: str | None = Field(description="BSI-K-TR-nnnn-yyyy; null if the TSE names none")
    description: str
    form_factor: str
    software_version: str
    lifecycle: str
    certificate_valid_from: datetime
    certificate_valid_until: datetime
    certificate_serial_number: str
    in_service_since: datetime | None = Field(
        description="the first time that it signed; null once stored data were deleted, or while it is busy"
    )
