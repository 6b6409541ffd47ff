"""The audit package: everything that an auditor asks for, in one file."""

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.access.caller import AUDITORS
from gateway.archive.errors import ArchiveBusy, ArchiveNotWritten
from gateway.operations.exports import NothingToExport
from gateway.server.api.downloads import stream
from gateway.server.api.endpoint import BASE, Call, Endpoint, FileFormat, FileResponse, Section
from gateway.server.api.parameters import Span
from gateway.server.api.requests import NoBody
from gateway.server.http.callers import caller_of

_ZIP = "application/zip"


class PackageParams(Span):
    """Which period; whether revocation lists are fetched."""

    fetch_crls: Annotated[
        bool,
        Field(
            description="Fetch the revocation lists that certificates below a trusted one name, from the network.",
            examples=[False],
        ),
    ] = False


async def get_audit_package(call: Call[PackageParams, NoBody]) -> web.StreamResponse:
    """Send the package while it is made."""
    from gateway.server.audit_package.package import AuditPackage, PackageRequest, PackageSources  # late: it is large

    limits, now = call.params, datetime.now(UTC)
    asked = PackageRequest(limits.since, limits.until, limits.fetch_crls, caller_of(call.request))
    known = call.services
    sources = PackageSources(
        *(known.package_place, known.registry, known.archives, known.outages, known.audit, known.forecasts)
    )
    async with aclosing(AuditPackage(sources, asked, now).pieces()) as pieces:
        return await stream(call.request, web.StreamResponse(), pieces, f"TSE_Pruefpaket_{now:%Y-%m-%d}.zip", _ZIP)


SECTION = Section(
    "Audit package",
    "Everything that an auditor asks for, in one file.",
    (
        Endpoint(
            "GET",
            f"{BASE}/audit-package",
            AUDITORS,
            get_audit_package,
            "Download what an auditor asks for",
            "A ZIP file with a cover page in German: exports of all TSEs in the period, certificates, revocation "
            "lists, the report of their verification, files of DSFinV-K, outages, acts of operators, master data, "
            "checksums. The archives are brought up to date first. It is sent while it is made, which takes minutes "
            "for a year, one at a time.",
            (ArchiveBusy, ArchiveNotWritten, NothingToExport),
            FileResponse("The package.", (FileFormat(_ZIP),)),
            of_all=True,
        ),
    ),
)
