"""The tills of the site for the tax office: the list, and the XML for ELSTER."""

from contextlib import suppress
from datetime import UTC, datetime

from aiohttp import hdrs, web
from pydantic import Field

from gateway.access.caller import AUDITORS, OPERATORS
from gateway.errors import ConfigurationError, DeviceGone, UnknownDevice
from gateway.operations.elster import SiteIncomplete, SiteTill, UnknownTill, as_xml
from gateway.server.api.endpoint import BASE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.parameters import NoParams
from gateway.server.api.requests import NoBody, RequestBody
from gateway.server.api.responses import ApiResponse, Done
from gateway.server.api.schema import about

_XML = "application/xml"
_XML_EXAMPLE = (
    "<?xml version='1.0' encoding='UTF-8'?>\n<Aufzeichnung146a xmlns=\"http://finkonsens.de/elster/elsternachricht/"
    'aufzeichnung146a/v1" version="1">...</Aufzeichnung146a>\n'
)
_TILLS = f"{BASE}/elster/tills"


class SiteTillList(ApiResponse):
    model_config = about("The tills of the site, and what the tax office asks beyond that.")

    tills: list[SiteTill] = Field(description="By serial number, those that are out of service as well.")
    missing: dict[str, list[str]] = Field(
        description="By serial number: fields that are null and that the XML needs.", examples=[{}]
    )


class SiteTillRequest(RequestBody):
    model_config = about("A till of the site; it replaces what was known of it.")

    till: SiteTill


class SiteTillRemoval(RequestBody):
    model_config = about("Which till was in the list by mistake.")

    serial_number: str = Field(max_length=120, description="Its serial number.", examples=["POS-1"])


async def list_site_tills(call: Call[NoParams, NoBody]) -> SiteTillList:
    """Return the tills, completed by what the TSEs tell that are here."""
    tills = await _completed(call)
    return SiteTillList(tills=tills, missing={till.serial_number: till.missing for till in tills if till.missing})


async def put_site_till(call: Call[NoParams, SiteTillRequest]) -> SiteTillList:
    """Add a till or replace what is known of it, with what its TSE tells now."""
    till = await _told_by_its_tse(call, call.body.till)
    await call.services.site_tills.put(till)
    return SiteTillList(tills=[till], missing={till.serial_number: till.missing} if till.missing else {})


async def remove_site_till(call: Call[NoParams, SiteTillRemoval]) -> Done:
    """Take a till from the list."""
    await call.services.site_tills.remove(call.body.serial_number)
    return Done()


async def get_elster_xml(call: Call[NoParams, NoBody]) -> web.Response:
    """Send the XML for ELSTER."""
    headers = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="Aufzeichnung146a.xml"'}
    return web.Response(body=as_xml(await _completed(call)), content_type=_XML, headers=headers)


async def _completed(call: Call[NoParams, NoBody]) -> list[SiteTill]:
    return [await _told_by_its_tse(call, till) for till in await call.services.site_tills.all()]


async def _told_by_its_tse(
    call: "Call[NoParams, NoBody] | Call[NoParams, SiteTillRequest]", till: SiteTill
) -> SiteTill:
    """Return it with what its TSE tells, if that is here; what was told once is kept with the till."""
    if till.missing:
        with suppress(UnknownDevice, DeviceGone):
            device = call.services.registry.find(till.tse_serial.upper())
            began = await call.services.forecasts.in_service_since(device)
            day = None if began is None else datetime.fromtimestamp(began, UTC).astimezone().date()
            return till.completed(device.info, day)
    return till


SECTION = Section(
    "ELSTER",
    "The notification of the tax office (§ 146a (4) AO): all tills and TSEs of the site.",
    (
        Endpoint(
            "GET",
            _TILLS,
            AUDITORS,
            list_site_tills,
            "List the tills of the site",
            "As the tax office wants them reported, and what is missing for the XML.",
            (ConfigurationError,),
        ),
        Endpoint(
            "POST",
            _TILLS,
            OPERATORS,
            put_site_till,
            "Add or change a till of the site",
            "What its TSE knows may be left out while the TSE is attached: its certificate and first day.",
            (ConfigurationError,),
        ),
        Endpoint(
            "POST",
            f"{_TILLS}/remove",
            OPERATORS,
            remove_site_till,
            "Remove a till of the site",
            "Only what was entered by mistake: a till that is gone stays in the list, with its last day.",
            (UnknownTill, ConfigurationError),
        ),
        Endpoint(
            "GET",
            f"{BASE}/elster.xml",
            AUDITORS,
            get_elster_xml,
            "Get the XML of the site for ELSTER",
            "Upload it in the form Mitteilung über elektronische Aufzeichnungssysteme (§ 146a Absatz 4 AO), and look "
            "at each field there before you send it.",
            (SiteIncomplete, ConfigurationError),
            FileResponse("UTF-8.", (FileFormat(_XML, _XML_EXAMPLE),)),
        ),
    ),
)
