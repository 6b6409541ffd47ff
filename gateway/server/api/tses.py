"""What is known of the TSEs."""

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import hdrs, web

from gateway.access.caller import AUDITORS, EVERYBODY, OPERATORS, READERS, TILLS_AND_AUDITORS
from gateway.errors import DeviceGone, UnknownDevice
from gateway.fleet.device import Device
from gateway.fleet.lock.lock import LockStatus
from gateway.fleet.lock.tills import TillStatus
from gateway.fleet.status.readiness import lack, lack_text
from gateway.i18n.text import Language
from gateway.operations import masterdata
from gateway.operations.forecast import Forecast, Forecasts
from gateway.operations.masterdata import NoCertificate, TillColumns
from gateway.server.api.downloads import media_for
from gateway.server.api.endpoint import BASE, TSE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.errors import READING, SENDING
from gateway.server.api.lock_responses import LockState, ReleasedLock, TillUse
from gateway.server.api.masterdata import DsfinvkTse, ElsterData
from gateway.server.api.parameters import DsfinvkParams, NoParams, TseParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import (
    FlashMemoryHealth,
    GrowthForecast,
    HeldLock,
    TseDetails,
    TseList,
    TseSummary,
)
from gateway.server.http.callers import caller_of, tell_about
from gateway.tse import products
from gateway.tse.fields import Generation
from gateway.tse.info import Lifecycle, TseInfo, version_text
from gateway.tse.pins import USERS, PinOwner

_PEM, _CSV = "application/x-pem-file", "text/csv"
_DAY = 86_400
_FAR_FUTURE = 2**34  # Unix seconds; a certificate field that holds nonsense must not break the response


async def list_tses(call: Call[NoParams, NoBody]) -> TseList:
    """Return the TSEs that the token is for, as last read; none is asked."""
    found = filter(lambda device: caller_of(call.request).may_use(device.serial), call.services.registry.devices())
    return TseList([_summary(call, device) for device in found])


async def get_tse(call: Call[TseParams, NoBody]) -> TseDetails:
    """Return the last reading; the TSE is asked only once, for the beginning of its store."""
    device = call.services.registry.find(call.params.serial)
    forecast = _forecast(await call.services.forecasts.of(device))
    return TseDetails(**dict(_summary(call, device)), **_details(device, call.language), forecast=forecast)


async def get_lock(call: Call[TseParams, NoBody]) -> LockState:
    """Return who holds the lock, and all tills; no TSE is asked."""
    lock = call.services.registry.find(call.params.serial).lock
    return LockState(lock=_held_lock(lock.status), tills=[_till(till) for till in lock.tills])


async def release_lock(call: Call[TseParams, NoBody]) -> ReleasedLock:
    """Take the lock from its holder."""
    released = _held_lock(call.services.registry.find(call.params.serial).lock.break_lease())
    if released is not None:
        tell_about(call.request, peer=released.peer, client_id=released.client_id, token=released.token)
    return ReleasedLock(released=released)


async def get_flash_health(call: Call[TseParams, NoBody]) -> FlashMemoryHealth:
    """Ask the TSE for the state of its flash memory."""
    found = await call.services.administration.flash_health(call.params.serial)
    return FlashMemoryHealth(
        spare_blocks_percent=found.spare_blocks_percent,
        uncorrectable_ecc_errors=found.uncorrectable_ecc_errors,
        remaining_erases_percent=found.remaining_erases_percent,
        ten_year_retention_percent=found.ten_year_retention_percent,
        needs_replacement=found.needs_replacement,
    )


async def get_certificates(call: Call[TseParams, NoBody]) -> web.Response:
    """Return the certificates in the store of the TSE."""
    chain = await masterdata.chain_of(call.services.registry.find(call.params.serial))
    return web.Response(body=chain.pem, content_type=media_for(call.request, _PEM))


async def get_dsfinvk(call: Call[TseParams, NoBody]) -> DsfinvkTse:
    """Return the columns that the TSE decides."""
    device = call.services.registry.find(call.params.serial)
    return DsfinvkTse.model_validate(masterdata.tse_columns(await masterdata.chain_of(device)))


async def get_dsfinvk_csv(call: Call[DsfinvkParams, NoBody]) -> web.Response:
    """Return the file as it lies in an export of DSFinV-K."""
    device, given = call.services.registry.find(call.params.serial), call.params
    columns = masterdata.tse_columns(await masterdata.chain_of(device))
    text = masterdata.tse_csv(columns, TillColumns(given.z_kasse_id, given.z_erstellung, given.z_nr, given.tse_id))
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="tse.csv"'}
    return web.Response(text=text, content_type=_CSV, charset="utf-8", headers=headers)


async def get_elster_data(call: Call[TseParams, NoBody]) -> ElsterData:
    """Return what a person copies into ELSTER."""
    return await elster_data(call.services.registry.find(call.params.serial), call.services.forecasts)


async def elster_data(device: Device, forecasts: Forecasts) -> ElsterData:
    """Return what ELSTER asks about a TSE.

    Raises:
        StoreClosed: the self test has not passed yet.
        NoCertificate: it holds none for its key.
    """
    since, until, number = masterdata.validity(await masterdata.chain_of(device))
    info = device.info
    began = await forecasts.in_service_since(device)
    return ElsterData(
        tse_serial=device.serial,
        serial_check_digits=masterdata.check_digits(info.serial),
        certification_id=products.certification_id(info.description),
        product_certified_until=products.certified_until(info.description),
        description=info.description,
        form_factor=info.form_factor,
        software_version=info.software,
        firmware_known=products.names_firmware(info.description, info.software),
        lifecycle=_lifecycle(info.lifecycle),
        certificate_valid_from=since,
        certificate_valid_until=until,
        certificate_serial_number=number,
        in_service_since=None if began is None else datetime.fromtimestamp(began, UTC),
    )


def _summary(call: Call[Any, Any], device: Device) -> TseSummary:
    is_second = device.info.generation is Generation.TWO
    old_tills = is_second and call.services.translates_old_tills(device.serial)
    return tse_summary(device, call.language, old_tills=old_tills)


def tse_summary(device: Device, language: Language = "en", *, old_tills: bool = False) -> TseSummary:
    """Return what is known of a TSE without asking it."""
    info, code, lock = device.info, lack(device), device.lock.status
    return TseSummary(
        serial=device.serial,
        place=device.place,
        attached=device.attached,
        state="failed" if device.failed.is_set() else "not_ready" if code else "ready",
        code=code,
        reason=lack_text(device).in_language(language),
        held_seconds=None if lock is None else lock.seconds,
        lock=_held_lock(lock),
        waiting_clients=device.lock.waiting_clients,
        read_at=device.info_read_at.replace(microsecond=0),
        lifecycle=_lifecycle(info.lifecycle),
        description=info.description,
        certified=not products.is_simulated(info.description),
        form_factor=info.form_factor,
        software_version=info.software,
        generation=int(info.generation),
        old_tills=old_tills,
        valid_time=info.valid_time,
        self_test_passed=info.self_test_passed,
        self_test_due_seconds=info.self_test_due_seconds,
        ctss_active=info.ctss_active,
        open_transactions=info.open_transactions,
        registered_clients=info.registered_clients,
        max_registered_clients=info.max_registered_clients,
        created_signatures=info.created_signatures,
        remaining_signatures=info.remaining_signatures,
        used_blocks=info.used_blocks,
        capacity_blocks=info.capacity_blocks,
        certificate_expires=datetime.fromtimestamp(min(info.certificate_expires, _FAR_FUTURE), UTC),
    )


def _held_lock(status: LockStatus | None) -> HeldLock | None:
    if status is None:
        return None
    return HeldLock(
        peer=status.peer,
        client_id=status.client_id,
        token=status.token,
        since=_ago(status.seconds),
        held_seconds=status.seconds,
        last_command=status.last_command,
        last_request_seconds=status.last_request_seconds,
    )


def _till(till: TillStatus) -> TillUse:
    return TillUse(
        client_id=till.client_id,
        token=till.token,
        peer=till.peer,
        state=till.state.value,
        since=_ago(till.seconds),
        place=till.place,
        last_command=till.last_command,
        last_receipt=None if till.receipt_seconds is None else _ago(till.receipt_seconds),
    )


def _ago(seconds: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=round(seconds))


def _lifecycle(value: int) -> str:
    return Lifecycle(value).name.lower() if value in set(Lifecycle) else "unknown"


def _forecast(made: Forecast | None) -> GrowthForecast | None:
    if made is None:
        return None
    return GrowthForecast(
        since=datetime.fromtimestamp(made.since, UTC),
        signatures_per_day=made.signatures_per_day,
        store_blocks_per_day=made.blocks_per_day,
        signatures_days_left=made.signatures_days_left,
        store_days_left=made.store_days_left,
    )


def _details(device: Device, language: Language) -> dict[str, Any]:
    info = device.info
    return {
        "serial_check_digits": masterdata.check_digits(info.serial),
        "public_key": base64.b64encode(info.public_key).decode(),
        "hardware_version": version_text(info.hardware_version),
        "max_open_transactions": info.max_open_transactions,
        "time_sync_due_seconds": info.time_sync_due_seconds,
        "credentials_changed": info.all_credentials_changed,
        "pin_tries_left": device.pin_record.tries,
        "logged_in_user": _logged_in(info),
        "puk_blocked_seconds": {name: left for name, left in _puk_pauses(info) if left},
        "product_certified_until": products.certified_until(info.description),
        "firmware_known": products.names_firmware(info.description, info.software),
        "login_objection": device.pin_record.no_login.in_language(language),
        "found_ahead": datetime.fromtimestamp(device.found_ahead, UTC) if device.found_ahead else None,
        "certificate_days_left": max(0, int(info.certificate_expires - time.time()) // _DAY),
        "signatures_left_percent": _percent(info.remaining_signatures, info.max_signatures),
        "store_used_percent": _percent(info.used_blocks, info.capacity_blocks),
    }


def _logged_in(info: TseInfo) -> str | None:
    return next((owner.value for owner in PinOwner if info.logged_in_user and owner.user == info.logged_in_user), None)


def _puk_pauses(info: TseInfo) -> Iterator[tuple[str, int]]:
    for owner in USERS:
        yield owner.value, info.puk_blocked_seconds(owner.user)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


_PEM_EXAMPLE = "-----BEGIN CERTIFICATE-----\nMIICfjCCAgSgAwIBAgIUUKYA3...\n-----END CERTIFICATE-----\n"
_CSV_EXAMPLE = (
    "Z_KASSE_ID;Z_ERSTELLUNG;Z_NR;TSE_ID;TSE_SERIAL;TSE_SIG_ALGO;TSE_ZEITFORMAT;TSE_PD_ENCODING;TSE_PUBLIC_KEY;...\r\n"
    '"Kasse 1";"2026-11-24T20:15:00Z";328;1;"E15E2EAD...";"ecdsa-plain-SHA384";"unixTime";"UTF-8";"BEfp4NKG...";...\r\n'
)
SECTION = Section(
    "TSE",
    "What is known of the TSEs.",
    (
        Endpoint(
            "GET",
            f"{BASE}/tses",
            EVERYBODY,
            list_tses,
            "List the TSEs",
            "All TSEs that were seen since the gateway started, as last read. No TSE is asked.",
        ),
        Endpoint(
            "GET",
            TSE,
            EVERYBODY,
            get_tse,
            "Get all that is known of a TSE",
            "Adds to the list keys, versions, days left, and a forecast. The TSE is not asked.",
            (UnknownDevice, DeviceGone),
        ),
        Endpoint(
            "GET",
            f"{TSE}/lock",
            READERS,
            get_lock,
            "Get who holds a TSE, and who waits",
            "A table by till: client id, token, address, what it does since when, place in the queue, last receipt.",
            (UnknownDevice,),
        ),
        Endpoint(
            "POST",
            f"{TSE}/lock/release",
            OPERATORS,
            release_lock,
            "Take the lock of a TSE from its holder",
            "For a till that keeps the others waiting. A request of it that runs is finished, what it left unfinished "
            "is aborted, and its session is refused from then on.",
            (UnknownDevice,),
        ),
        Endpoint(
            "GET",
            f"{TSE}/health",
            READERS,
            get_flash_health,
            "Get the state of a TSE's flash memory",
            "Asks the TSE, which needs no PIN for it.",
            SENDING,
        ),
        Endpoint(
            "GET",
            f"{TSE}/certificates",
            TILLS_AND_AUDITORS,
            get_certificates,
            "Get the certificates of a TSE",
            "Reads the store of the TSE, which it shows after a passed self test.",
            (*READING, NoCertificate),
            FileResponse("The certificates as PEM, that of the TSE first.", (FileFormat(_PEM, _PEM_EXAMPLE),)),
        ),
        Endpoint(
            "GET",
            f"{TSE}/dsfinvk",
            TILLS_AND_AUDITORS,
            get_dsfinvk,
            "Get the row of a TSE in tse.csv (DSFinV-K)",
            "The columns of Stamm_TSE that the TSE decides; the till adds its own.",
            (*READING, NoCertificate),
        ),
        Endpoint(
            "GET",
            f"{TSE}/dsfinvk.csv",
            TILLS_AND_AUDITORS,
            get_dsfinvk_csv,
            "Get the file tse.csv (DSFinV-K) of a TSE",
            "Header and one row. The parameters fill the columns of the till.",
            (*READING, NoCertificate),
            FileResponse("UTF-8, semicolons, texts in quotes, CRLF.", (FileFormat(_CSV, _CSV_EXAMPLE),)),
        ),
        Endpoint(
            "GET",
            f"{TSE}/elster",
            AUDITORS,
            get_elster_data,
            "Get what ELSTER asks about a TSE",
            "For the notification of the tax office (§ 146a (4) AO), ready to copy.",
            (*READING, NoCertificate),
        ),
    ),
)
