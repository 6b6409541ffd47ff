"""Handlers of the JSON API: exports as streams, in bounded memory."""

import logging
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.operations import exports
from gateway.operations.exports import Filter, Mark
from gateway.server.api.endpoint import Call
from gateway.server.api.errors import ExportChanged, RangeInvalid
from gateway.server.api.requests import ExportFilter, NewerThan, NoBody, OfTse
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

TAR = "application/x-tar"
CURSOR = "TSE-Export-Cursor"


async def export_all(call: Call[OfTse, NoBody]) -> web.StreamResponse:
    """The whole store, or a range of it."""
    device = call.services.registry.find(call.params.serial)
    mark, whole = await _wanted_mark(call)
    size = exports.full_size(mark)
    start, end = (0, size) if whole else wanted_range(call.request, size)
    answer = web.StreamResponse(headers={hdrs.ETAG: f'"{mark.encode()}"', hdrs.ACCEPT_RANGES: "bytes"})
    if (start, end) != (0, size):
        answer.set_status(HTTPStatus.PARTIAL_CONTENT)
        answer.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end - 1}/{size}"
    answer.headers[CURSOR] = mark.encode()
    answer.content_length = end - start
    return await streamed(call.request, answer, exports.full(device, mark, start, end), f"TSE_{device.serial}.tar")


async def export_matching(call: Call[ExportFilter, NoBody]) -> web.StreamResponse:
    """By time, number and client."""
    device, wanted = call.services.registry.find(call.params.serial), call.params
    chosen = Filter(wanted.from_time, wanted.to_time, wanted.from_number, wanted.to_number, wanted.client_id)
    pieces = exports.matching(device, chosen)
    return await streamed(call.request, web.StreamResponse(), pieces, f"TSE_{device.serial}_filtered.tar")


async def export_new(call: Call[NewerThan, NoBody]) -> web.StreamResponse:
    """What came since an earlier export."""
    device = call.services.registry.find(call.params.serial)
    since, until = Mark.decode(call.params.cursor), await exports.mark_of(device)
    answer = web.StreamResponse(headers={CURSOR: until.encode()})
    answer.content_length = await exports.newer_size(device, since, until)
    return await streamed(call.request, answer, exports.newer(device, since, until), f"TSE_{device.serial}_new.tar")


async def _wanted_mark(call: Call[OfTse, NoBody]) -> tuple[Mark, bool]:
    """How far the export goes: as far as before if the client goes on with one; and must it be whole?"""
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
        raise ExportChanged("stored data were deleted since: export from the beginning")
    return await exports.mark_of(device), True


def wanted_range(request: web.Request, size: int) -> tuple[int, int]:
    """First byte and the one behind the last; `RangeInvalid` where there are none."""
    try:
        wanted = request.http_range
    except ValueError:  # several ranges, or none that can be read: the whole is a right answer
        return 0, size
    start, end, _ = wanted.indices(size)
    if start >= end:
        raise RangeInvalid(f"the export has {size} bytes")
    return start, end


async def streamed(
    request: web.Request, answer: web.StreamResponse, pieces: AsyncIterator[bytes], name: str, media: str = TAR
) -> web.StreamResponse:
    """Send as fast as the client takes it. What breaks it later breaks the connection: half an archive is none."""
    first = await anext(pieces)
    answer.content_type = media
    answer.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
    await answer.prepare(request)
    try:
        await answer.write(first)
        async for piece in pieces:
            await answer.write(piece)
    except (GatewayError, ConnectionError) as error:
        log.warning("an export broke off: %s", error or type(error).__name__, extra=event(Event.EXPORT_BROKEN))
        if request.transport is not None:
            request.transport.abort()
        return answer
    await answer.write_eof()
    return answer
