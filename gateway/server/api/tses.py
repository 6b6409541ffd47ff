"""Handlers of the JSON API: what is known of the TSEs."""

import base64
import time
from datetime import UTC, datetime

from aiohttp import hdrs, web

from gateway.fleet.device import Device
from gateway.operations import masterdata
from gateway.operations.forecast import Forecast
from gateway.operations.masterdata import TillColumns
from gateway.server.api.endpoint import Call
from gateway.server.api.requests import DsfinvkRow, NoBody, NoParams, OfTse
from gateway.server.api.responses import (
    DsfinvkTse,
    ElsterSheet,
    GrowthForecast,
    Health,
    TseDetails,
    TseList,
    TseSummary,
)
from gateway.server.api.summary import summary
from gateway.tse.info import version_text

PEM, CSV = "application/x-pem-file", "text/csv"
_ALL_CHANGED = 7  # Admin PUK, Admin PIN, TimeAdmin PIN
_DAY = 86_400


async def list_tses(call: Call[NoParams, NoBody]) -> TseList:
    """From the last reading; no TSE is asked."""
    return TseList([TseSummary.model_validate(summary(device)) for device in call.services.registry.devices()])


async def get_tse(call: Call[OfTse, NoBody]) -> TseDetails:
    """From the last reading; the TSE is not asked, but once for the beginning of its store."""
    device = call.services.registry.find(call.params.serial)
    forecast = _forecast(await call.services.forecasts.of(device))
    return TseDetails.model_validate({**summary(device), **_details(device), "forecast": forecast})


async def get_health(call: Call[OfTse, NoBody]) -> Health:
    """Asks the TSE."""
    found = await call.services.administration.flash_health(call.params.serial)
    return Health(
        spare_blocks_percent=found.spare_blocks_percent,
        uncorrectable_ecc_errors=found.uncorrectable_ecc_errors,
        remaining_erases_percent=found.remaining_erases_percent,
        ten_year_retention_percent=found.ten_year_retention_percent,
        needs_replacement=found.needs_replacement,
    )


async def get_certificates(call: Call[OfTse, NoBody]) -> web.Response:
    """From the store of the TSE."""
    chain = await masterdata.chain_of(call.services.registry.find(call.params.serial))
    return web.Response(body=chain.pem, content_type=PEM)


async def get_dsfinvk(call: Call[OfTse, NoBody]) -> DsfinvkTse:
    """Ready to copy."""
    device = call.services.registry.find(call.params.serial)
    return DsfinvkTse.model_validate(masterdata.tse_columns(device, await masterdata.chain_of(device)))


async def get_dsfinvk_csv(call: Call[DsfinvkRow, NoBody]) -> web.Response:
    """The file as it lies in an export."""
    device, given = call.services.registry.find(call.params.serial), call.params
    columns = masterdata.tse_columns(device, await masterdata.chain_of(device))
    text = masterdata.tse_csv(columns, TillColumns(given.z_kasse_id, given.z_erstellung, given.z_nr, given.tse_id))
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="tse.csv"'}
    return web.Response(text=text, content_type=CSV, charset="utf-8", headers=headers)


async def get_elster(call: Call[OfTse, NoBody]) -> ElsterSheet:
    """Ready to copy."""
    device = call.services.registry.find(call.params.serial)
    since, until, number = masterdata.validity(await masterdata.chain_of(device))
    info, known = device.info, summary(device)
    began = await call.services.forecasts.in_service_since(device)
    return ElsterSheet(
        tse_serial=device.serial,
        serial_check_digits=masterdata.check_digits(info.serial),
        certification_id=masterdata.certification_id(info.description),
        description=info.description,
        form_factor=info.form_factor,
        software_version=info.software,
        lifecycle=str(known["lifecycle"]),
        certificate_valid_from=since,
        certificate_valid_until=until,
        certificate_serial_number=number,
        in_service_since=None if began is None else datetime.fromtimestamp(began, UTC),
    )


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


def _details(device: Device) -> dict[str, object]:
    info = device.info
    return {
        "serial_check_digits": masterdata.check_digits(info.serial),
        "public_key": base64.b64encode(info.public_key).decode(),
        "hardware_version": version_text(info.hardware_version),
        "max_open_transactions": info.max_open_transactions,
        "time_sync_due_seconds": info.time_sync_due_seconds,
        "credentials_changed": info.credentials_changed & _ALL_CHANGED == _ALL_CHANGED,
        "pin_tries_left": device.pin_tries,
        "login_objection": device.no_login,
        "certificate_days_left": max(0, int(info.certificate_expires - time.time()) // _DAY),
        "signatures_left_percent": _percent(info.remaining_signatures, info.max_signatures),
        "store_used_percent": _percent(info.used_blocks, info.capacity_blocks),
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0
