"""Responses that are files: their media type, ranges of them, and streams in bounded memory."""

import logging
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.i18n.text import Text
from gateway.server.api.errors import RangeInvalid
from gateway.telemetry.events import Event, event

log = logging.getLogger(__name__)

TAR = "application/x-tar"
BYTES = "application/octet-stream"


def media_for(request: web.Request, media: str) -> str:
    """Return `media`, or application/octet-stream for a client that accepts only that."""
    return BYTES if request.headers.get(hdrs.ACCEPT) == BYTES else media


def requested_range(request: web.Request, size: int) -> tuple[int, int]:
    """Return the first byte and the one behind the last.

    Raises:
        RangeInvalid: there are no such bytes.
    """
    try:
        requested = request.http_range
    except ValueError:  # several ranges, or none that can be read: the whole is a right response
        return 0, size
    start, end, _ = requested.indices(size)
    if start >= end:
        raise RangeInvalid(Text("the file has {size} bytes", "die Datei hat {size} Bytes"), size=size)
    return start, end


def response_for(tag: str, size: int, start: int, end: int) -> web.StreamResponse:
    """Return the response for bytes `start` to before `end` of a file of `size` bytes with this ETag."""
    response = web.StreamResponse(headers={hdrs.ETAG: f'"{tag}"', hdrs.ACCEPT_RANGES: "bytes"})
    if (start, end) != (0, size):
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end - 1}/{size}"
    response.content_length = end - start
    return response


async def stream(
    request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes], name: str, media: str = TAR
) -> web.StreamResponse:
    """Send `pieces` as fast as the client takes them, as a file called `name`.

    An error before the first piece is raised. A later one breaks the connection, so that the client sees that its file
    is not whole.
    """
    first = await anext(pieces)
    response.content_type = media_for(request, media)
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
    await response.prepare(request)
    try:
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    except (GatewayError, ConnectionError) as error:
        log.warning("an export broke off: %s", error or type(error).__name__, extra=event(Event.EXPORT_BROKEN))
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
