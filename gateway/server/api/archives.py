"""Handlers of the JSON API: archives, their files, and stores rebuilt from them."""

from http import HTTPStatus

from aiohttp import hdrs, web

from gateway.archive.restore import JoinedFile
from gateway.archive.status import ArchiveList, ArchiveRun, ArchiveStatus
from gateway.server.api import exports
from gateway.server.api.endpoint import Call
from gateway.server.api.errors import ExportChanged
from gateway.server.api.requests import ArchiveFile, ArchiveSeries, NoBody, NoParams, OfTse
from gateway.server.http.responses import JSON


async def list_archives(call: Call[NoParams, NoBody]) -> ArchiveList:
    """Of all TSEs that were ever seen."""
    archives = call.services.archives
    await archives.open()
    return ArchiveList(archives=[archives.summary(archive) for archive in archives.all()])


async def get_archive(call: Call[OfTse, NoBody]) -> ArchiveStatus:
    """Asks no TSE."""
    return await call.services.archives.status(call.params.serial)


async def run_archive(call: Call[OfTse, NoBody]) -> ArchiveRun:
    """Now, whatever the plan of the night says."""
    return await call.services.archives.run(call.params.serial)


async def get_archive_file(call: Call[ArchiveFile, NoBody]) -> web.StreamResponse:
    """A segment or a manifest as it lies on the disk."""
    name = call.params.name
    file = await call.services.archives.file(call.params.serial, name)
    return await _file(call.request, file, name, exports.TAR if name.endswith(".tar") else JSON)


async def export_archive(call: Call[ArchiveSeries, NoBody]) -> web.StreamResponse:
    """What a full export gave when the archive was last written."""
    serial = call.params.serial.upper()
    file = await call.services.archives.restore(serial, call.params.series)
    return await _file(call.request, file, f"TSE_{serial}_archive.tar", exports.TAR)


async def _file(request: web.Request, file: JoinedFile, name: str, media: str) -> web.StreamResponse:
    """All of it or a range; conditions are about its ETag."""
    tag, size = f'"{file.tag}"', file.size
    if request.headers.get(hdrs.IF_MATCH, tag) != tag:
        raise ExportChanged("this is another archive by now: begin again")
    fits = request.headers.get(hdrs.IF_RANGE, tag) == tag
    start, end = exports.wanted_range(request, size) if fits else (0, size)
    answer = web.StreamResponse(headers={hdrs.ETAG: tag, hdrs.ACCEPT_RANGES: "bytes"})
    if (start, end) != (0, size):
        answer.set_status(HTTPStatus.PARTIAL_CONTENT)
        answer.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end - 1}/{size}"
    answer.content_length = end - start
    return await exports.streamed(request, answer, file.read(start, end), name, media)
