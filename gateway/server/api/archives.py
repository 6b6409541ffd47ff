"""Archives, their files, and stores rebuilt from them."""

from aiohttp import hdrs, web

from gateway.access.caller import AUDITORS, OPERATORS
from gateway.archive.errors import ArchiveDamaged, NothingArchived
from gateway.archive.manifest import Manifest
from gateway.archive.restore import JoinedFile
from gateway.archive.status import ArchiveList, ArchiveRun, ArchiveStatus
from gateway.errors import UnknownDevice
from gateway.i18n.text import Text
from gateway.server.api.downloads import TAR, requested_range, response_for, stream
from gateway.server.api.endpoint import BASE, TSE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.errors import ARCHIVING, DOWNLOADING, READING, Errors, ExportChanged
from gateway.server.api.parameters import ArchiveFileParams, ArchiveSeriesParams, NoParams, TseParams
from gateway.server.api.requests import NoBody
from gateway.server.http.callers import caller_of
from gateway.server.http.responses import JSON

_STAMP = "application/timestamp-reply"  # RFC 3161, 3.4
_MEDIA = {"tar": TAR, "json": JSON, "tsr": _STAMP}
_STORED: Errors = (UnknownDevice, NothingArchived, ArchiveDamaged, *DOWNLOADING)


async def list_archives(call: Call[NoParams, NoBody]) -> ArchiveList:
    """Return the archives of all TSEs that were ever seen and that the token is for."""
    archives = call.services.archives
    await archives.open()
    found = [archive for archive in archives.all() if caller_of(call.request).may_use(archive.serial)]
    return ArchiveList(archives=[archives.summary(archive) for archive in found])


async def get_archive(call: Call[TseParams, NoBody]) -> ArchiveStatus:
    """Return what the archive holds; no TSE is asked."""
    return await call.services.archives.status(call.params.serial)


async def run_archive(call: Call[TseParams, NoBody]) -> ArchiveRun:
    """Bring the archive up to date."""
    return await call.services.archives.run(call.params.serial)


async def get_archive_file(call: Call[ArchiveFileParams, NoBody]) -> web.StreamResponse:
    """Send a segment or a manifest as it lies on the disk."""
    name = call.params.name
    file = await call.services.archives.file(call.params.serial, name)
    return await _send(call.request, file, name, _MEDIA[name.rpartition(".")[2]])


async def export_archive(call: Call[ArchiveSeriesParams, NoBody]) -> web.StreamResponse:
    """Send what a full export gave when the archive was last written."""
    serial = call.params.serial.upper()
    file = await call.services.archives.restore(serial, call.params.series)
    return await _send(call.request, file, f"TSE_{serial}_archive.tar", TAR)


async def _send(request: web.Request, file: JoinedFile, name: str, media: str) -> web.StreamResponse:
    """Send all of it or a range; conditions are about its ETag."""
    tag, size = f'"{file.tag}"', file.size
    if request.headers.get(hdrs.IF_MATCH, tag) != tag:
        raise ExportChanged(
            Text(
                "this is another archive by now: begin again",
                "dies ist inzwischen ein anderes Archiv: von vorn beginnen",
            )
        )
    fits = request.headers.get(hdrs.IF_RANGE, tag) == tag
    start, end = requested_range(request, size) if fits else (0, size)
    return await stream(request, response_for(file.tag, size, start, end), file.read(start, end), name, media)


SECTION = Section(
    "Archive",
    "What the gateway keeps of each TSE: copies of its log messages, verified.",
    (
        Endpoint(
            "GET",
            f"{BASE}/archives",
            AUDITORS,
            list_archives,
            "List the archives",
            "Archives of TSEs that are gone are listed as well.",
        ),
        Endpoint(
            "GET",
            f"{TSE}/archive",
            AUDITORS,
            get_archive,
            "Get what the archive of a TSE holds",
            "Shows how far the archive goes, and what its verification found. The TSE is not asked.",
            (UnknownDevice,),
        ),
        Endpoint(
            "POST",
            f"{TSE}/archive/run",
            OPERATORS,
            run_archive,
            "Bring the archive of a TSE up to date",
            "Responds when that is done, and goes on if the client hangs up. Tills go first; the first run of a full "
            "TSE takes hours.",
            (*READING, *ARCHIVING),
        ),
        Endpoint(
            "GET",
            f"{TSE}/archive/files/{{name}}",
            AUDITORS,
            get_archive_file,
            "Download a file of the archive",
            "A segment is a TAR file that can be read alone, its manifest is JSON, a time stamp on that a "
            "reply of RFC 3161. Parts are requested with `Range`.",
            _STORED,
            FileResponse(
                "The file as it lies on the disk of the gateway.",
                (FileFormat(TAR), FileFormat(JSON, model=Manifest), FileFormat(_STAMP)),
                ranges=True,
                headers={"ETag": "SHA-256 of the file, for `If-Range` and `If-Match`."},
            ),
            of_all=True,
        ),
        Endpoint(
            "GET",
            f"{TSE}/archive/export",
            AUDITORS,
            export_archive,
            "Export the store of a TSE from its archive",
            "Byte for byte the full export of the moment when the archive was last written; the TSE may be gone.",
            _STORED,
            FileResponse(
                "The rebuilt export: a TAR file as BSI TR-03153-1 describes it.",
                (FileFormat(TAR),),
                ranges=True,
                headers={"ETag": "Names this state of the archive, for `If-Range` and `If-Match`."},
            ),
            of_all=True,
        ),
    ),
)
