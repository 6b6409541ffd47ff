"""Exports of log messages as TAR files."""

from aiohttp import hdrs, web

from gateway.access.caller import AUDITORS
from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.operations import exports
from gateway.operations.exports import CursorInvalid, Filter, Mark, NothingToExport
from gateway.server.api.downloads import TAR, requested_range, response_for, stream
from gateway.server.api.endpoint import TSE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.errors import DOWNLOADING, READING, ExportChanged
from gateway.server.api.parameters import CursorParams, ExportFilter, TseParams
from gateway.server.api.requests import NoBody

CURSOR = "TSE-Export-Cursor"
_CURSOR_HEADER = {CURSOR: "Where the export ends: send it as `cursor` to `/export/new`."}


async def export_all(call: Call[TseParams, NoBody]) -> web.StreamResponse:
    """Send the whole store, or a range of it."""
    device = call.services.registry.find(call.params.serial)
    mark, whole = await _requested_mark(call)
    size = exports.full_size(mark)
    start, end = (0, size) if whole else requested_range(call.request, size)
    response = response_for(mark.encode(), size, start, end)
    response.headers[CURSOR] = mark.encode()
    return await stream(call.request, response, exports.full(device, mark, start, end), f"TSE_{device.serial}.tar")


async def export_filtered(call: Call[ExportFilter, NoBody]) -> web.StreamResponse:
    """Send the log messages that match."""
    device, limits = call.services.registry.find(call.params.serial), call.params
    first = limits.from_time if limits.from_time is not None else limits.first_second
    last = limits.to_time if limits.to_time is not None else limits.last_second
    chosen = Filter(first, last, limits.from_number, limits.to_number, limits.client_id)
    pieces = exports.matching(device, chosen)
    return await stream(call.request, web.StreamResponse(), pieces, f"TSE_{device.serial}_filtered.tar")


async def export_new(call: Call[CursorParams, NoBody]) -> web.StreamResponse:
    """Send what was stored since an earlier export."""
    device = call.services.registry.find(call.params.serial)
    since, until = Mark.decode(call.params.cursor), await exports.mark_of(device)
    response = web.StreamResponse(headers={CURSOR: until.encode()})
    response.content_length = await exports.newer_size(device, since, until)
    return await stream(call.request, response, exports.newer(device, since, until), f"TSE_{device.serial}_new.tar")


async def _requested_mark(call: Call[TseParams, NoBody]) -> tuple[Mark, bool]:
    """Return how far the export goes, and whether it must be whole.

    It goes as far as an earlier one if the client goes on with that (If-Range, If-Match).
    """
    device, headers = call.services.registry.find(call.params.serial), call.request.headers
    named = headers.get(hdrs.IF_RANGE) or headers.get(hdrs.IF_MATCH, "")
    if not named:
        return await exports.mark_of(device), False
    try:
        mark = Mark.decode(named.strip('"'))
        holds = await exports.still_holds(device, mark)
    except GatewayError:
        holds = False
    if holds:
        return mark, False
    if hdrs.IF_MATCH in headers:
        raise ExportChanged(
            Text(
                "stored data were deleted since: export from the beginning",
                "inzwischen wurden gespeicherte Daten gelöscht: von vorn exportieren",
            )
        )
    return await exports.mark_of(device), True


_DESCRIPTION = "The export: a TAR file as BSI TR-03153-1 describes it."
_FORMATS = (FileFormat(TAR),)
SECTION = Section(
    "Exports",
    "Log messages of a TSE as TAR files, read from its store.",
    (
        Endpoint(
            "GET",
            f"{TSE}/export",
            AUDITORS,
            export_all,
            "Export all log messages",
            "Tills go first, so the export of a full TSE takes hours. An export that broke off is resumed with `Range` "
            "and `If-Range`, also after tills went on selling; the whole is sent if stored data were deleted since.",
            (*READING, *DOWNLOADING),
            FileResponse(
                _DESCRIPTION,
                _FORMATS,
                ranges=True,
                headers={"ETag": "Names this state of the store, for `If-Range` and `If-Match`.", **_CURSOR_HEADER},
            ),
            of_all=True,
        ),
        Endpoint(
            "GET",
            f"{TSE}/export/filtered",
            AUDITORS,
            export_filtered,
            "Export log messages by time, number and client",
            "All limits are included; a limit that is left out limits nothing.",
            (*READING, NothingToExport),
            FileResponse(_DESCRIPTION, _FORMATS),
            of_all=True,
        ),
        Endpoint(
            "GET",
            f"{TSE}/export/new",
            AUDITORS,
            export_new,
            "Export log messages since an earlier export",
            "All exports made so, one after the other, hold together what a full export holds.",
            (*READING, NothingToExport, CursorInvalid),
            FileResponse(_DESCRIPTION, _FORMATS, headers=_CURSOR_HEADER),
            of_all=True,
        ),
    ),
)
