"""Outages of TSEs, as the law wants them documented (AEAO on § 146a, 1.14.1)."""

from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import hdrs, web

from gateway.access.caller import OPERATORS, READERS
from gateway.errors import UnknownDevice
from gateway.fleet.outages.log import OutagesUnreadable
from gateway.i18n.negotiation import from_accept_language
from gateway.i18n.remedies import reason_text
from gateway.i18n.text import Language
from gateway.operations.outage_report import OutageQuery, OutageReport, TseInUse
from gateway.server.api import outage_report
from gateway.server.api.endpoint import BASE, TSE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.parameters import OutageFilter, TseParams
from gateway.server.api.requests import NoBody
from gateway.server.api.responses import Done, LoggedOutage, OutageList
from gateway.server.http.callers import caller_of

_CSV, _HTML = "text/csv", "text/html"


async def list_outages(call: Call[OutageFilter, NoBody]) -> OutageList:
    """Return the outages for programs; their reasons in English unless the client wants German."""
    return as_list(await _report(call), _language(call, "en"))


def as_list(report: OutageReport, language: Language) -> OutageList:
    """Return the outages for programs, their reasons in `language`."""
    found = [
        LoggedOutage(
            tse_serial=outage.serial or None,
            reason=outage.reason,
            reason_text=reason_text(outage.reason, language, outage.served_by),
            began=datetime.fromtimestamp(outage.began, UTC),
            ended=None if outage.ended is None else datetime.fromtimestamp(outage.ended, UTC),
            seconds=round(outage.seconds(report.made), 3),
            refused_requests=outage.refused,
            refused_tills=outage.tills,
            served_by=outage.served_by or None,
        )
        for outage in report.outages
    ]
    return OutageList(site=report.site, outages=found)


async def get_outages_csv(call: Call[OutageFilter, NoBody]) -> web.Response:
    """Return the outages for spreadsheets; in German unless the client wants English."""
    language = _language(call, "de")
    response = _response(outage_report.as_csv(await _report(call), language), _CSV, language)
    response.headers[hdrs.CONTENT_DISPOSITION] = 'attachment; filename="TSE_outages.csv"'
    return response


async def get_outages_html(call: Call[OutageFilter, NoBody]) -> web.Response:
    """Return the outages to print; in German unless the client wants English."""
    language = _language(call, "de")
    return _response(outage_report.as_html(await _report(call), language), _HTML, language)


async def retire_tse(call: Call[TseParams, NoBody]) -> Done:
    """End the outage of a TSE that is gone; its outages stay in the log."""
    await call.services.outages.retire(call.params.serial)
    return Done()


async def _report(call: Call[OutageFilter, NoBody]) -> OutageReport:
    limits = call.params
    serial = call.services.whole_serial(limits.serial or "")
    report = await call.services.outages.report(OutageQuery(serial.upper(), limits.since, limits.until))
    caller = caller_of(call.request)
    return replace(report, outages=tuple(it for it in report.outages if not it.serial or caller.may_use(it.serial)))


def _language(call: Call[OutageFilter, NoBody], default: Language) -> Language:
    return call.params.lang or from_accept_language(call.request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), default)


def _response(text: str, media: str, language: Language) -> web.Response:
    headers = {**outage_report.HEADERS, hdrs.CONTENT_LANGUAGE: language}
    return web.Response(text=text, content_type=media, charset="utf-8", headers=headers)


_CSV_EXAMPLE = (
    "\ufeffSite;TSE serial number;Begin;End;Begin (UTC);End (UTC);Length in seconds;Reason;Reason in words;"
    "Refused requests;Refused tills\r\n"
    "Filiale Köln;E15E2EAD...;2026-11-24 09:15:00;2026-11-24 09:19:30;2026-11-24 08:15:00;2026-11-24 08:19:30;270;"
    "unplugged;the TSE was unplugged;3;1\r\n"
)
_HTML_EXAMPLE = '<!DOCTYPE html>\n<html lang="de"><head><meta charset="utf-8">...</head><body>...</body></html>\n'
_LANGUAGE_HEADER = {"Content-Language": "Language of the texts: de or en."}
SECTION = Section(
    "Outages",
    "Times in which a TSE could not be used, as the law wants them documented.",
    (
        Endpoint(
            "GET",
            f"{BASE}/outages",
            READERS,
            list_outages,
            "List outages",
            "All outages of which a part lies in the given span of time, the oldest first.",
            (OutagesUnreadable,),
        ),
        Endpoint(
            "GET",
            f"{BASE}/outages.csv",
            READERS,
            get_outages_csv,
            "List outages as CSV",
            "For spreadsheets, as Excel in Germany reads them: times are local and UTC, lengths are whole seconds.",
            (OutagesUnreadable,),
            FileResponse(
                "UTF-8 with byte order mark, semicolons, CRLF.",
                (FileFormat(_CSV, _CSV_EXAMPLE),),
                headers=_LANGUAGE_HEADER,
            ),
        ),
        Endpoint(
            "GET",
            f"{BASE}/outages.html",
            READERS,
            get_outages_html,
            "List outages to print",
            "A page for the auditor (AEAO on § 146a, 1.14.1); it loads nothing and runs nothing.",
            (OutagesUnreadable,),
            FileResponse("The page.", (FileFormat(_HTML, _HTML_EXAMPLE),), headers=_LANGUAGE_HEADER),
        ),
        Endpoint(
            "POST",
            f"{TSE}/retire",
            OPERATORS,
            retire_tse,
            "Stop missing a TSE",
            "Ends the outage of a TSE that broke or was lost; one that was decommissioned is not missed anyway.",
            (TseInUse, UnknownDevice),
        ),
    ),
)
