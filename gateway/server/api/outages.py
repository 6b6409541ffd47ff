"""Handlers of the JSON API: the outages that the law wants documented."""

from datetime import UTC, datetime

from aiohttp import hdrs, web

from gateway.i18n.negotiation import from_accept_language
from gateway.i18n.remedies import reason_text
from gateway.i18n.text import Language
from gateway.operations.outage_report import OutageQuery, OutageReport
from gateway.server.api import outage_report
from gateway.server.api.endpoint import Call
from gateway.server.api.requests import NoBody, OfTse, OutageFilter
from gateway.server.api.responses import Done, OutageAnswer, OutageList

CSV, HTML = "text/csv", "text/html"


async def list_outages(call: Call[OutageFilter, NoBody]) -> OutageList:
    """For programs."""
    language, report = _language(call, "en"), await _report(call)
    found = [
        OutageAnswer(
            tse_serial=outage.serial or None,
            reason=outage.reason,
            reason_text=reason_text(outage.reason, language),
            began=datetime.fromtimestamp(outage.began, UTC),
            ended=None if outage.ended is None else datetime.fromtimestamp(outage.ended, UTC),
            seconds=round(outage.seconds(report.made), 3),
            refused_requests=outage.refused,
            refused_tills=outage.tills,
        )
        for outage in report.outages
    ]
    return OutageList(site=report.site, outages=found)


async def get_outages_csv(call: Call[OutageFilter, NoBody]) -> web.Response:
    """For spreadsheets."""
    language = _language(call, "de")
    answer = _answer(outage_report.as_csv(await _report(call), language), CSV, language)
    answer.headers[hdrs.CONTENT_DISPOSITION] = 'attachment; filename="TSE_outages.csv"'
    return answer


async def get_outages_page(call: Call[OutageFilter, NoBody]) -> web.Response:
    """For printers."""
    language = _language(call, "de")
    return _answer(outage_report.as_html(await _report(call), language), HTML, language)


async def retire_tse(call: Call[OfTse, NoBody]) -> Done:
    """Its outages stay written down."""
    await call.services.outages.retire(call.params.serial)
    return Done()


async def _report(call: Call[OutageFilter, NoBody]) -> OutageReport:
    wanted = call.params
    return await call.services.outages.report(OutageQuery((wanted.serial or "").upper(), wanted.since, wanted.until))


def _language(call: Call[OutageFilter, NoBody], default: Language) -> Language:
    return call.params.lang or from_accept_language(call.request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), default)


def _answer(text: str, media: str, language: Language) -> web.Response:
    headers = {**outage_report.HEADERS, hdrs.CONTENT_LANGUAGE: language}
    return web.Response(text=text, content_type=media, charset="utf-8", headers=headers)
