"""What can go wrong with an archive, beside what goes wrong with its TSE."""

from http import HTTPStatus
from pathlib import Path

from gateway.errors import GatewayError


class ArchiveNotWritten(GatewayError):
    """The archive cannot be written; what it holds already is intact."""

    code = "archive_not_written"
    status = HTTPStatus.INSUFFICIENT_STORAGE


class ArchiveBusy(GatewayError):
    """The archive of this TSE is being written: wait until it is done."""

    code = "archive_busy"
    status = HTTPStatus.CONFLICT


class ArchiveDamaged(GatewayError):
    """Files of the archive are missing or changed: put them back from your backup."""

    code = "archive_damaged"
    status = HTTPStatus.CONFLICT


class NothingArchived(GatewayError):
    """The archive has no such file, series, or TSE."""

    code = "nothing_archived"
    status = HTTPStatus.BAD_REQUEST  # as of an unknown TSE; the JSON API says 404


def unwritable(path: Path, error: OSError) -> ArchiveNotWritten:
    """The same, with the reason."""
    return ArchiveNotWritten(f"{path} cannot be written: {error.strerror or error}")
