"""Errors of an archive, beside those of its TSE."""

from pathlib import Path

from gateway.errors import GatewayError
from gateway.i18n.text import Text, reason_of

# What is wrong with a file, behind its name.
MISSING = Text("is missing", "fehlt")
NO_MANIFEST = Text("is no manifest of this TSE", "ist kein Manifest dieser TSE")
NEWEST_GONE = Text(
    "the newest manifest, SHA-256 {sha256}, is missing or changed",
    "das neueste Manifest, SHA-256 {sha256}, fehlt oder ist geändert",
)
OTHER_BEFORE = Text("the manifest before it is missing or changed", "das Manifest davor fehlt oder ist geändert")
OTHER_CONTENT = Text("has another SHA-256 than was written", "hat einen anderen SHA-256, als geschrieben wurde")
OTHER_SIZE = Text("has {size} bytes, not {right}", "hat {size} Bytes statt {right}")
UNREADABLE = Text("cannot be read: {reason}", "lässt sich nicht lesen: {reason}")


class ArchiveNotWritten(GatewayError):
    """The archive cannot be written; what it holds already is intact."""

    code = "archive_not_written"


class ArchiveBusy(GatewayError):
    """The archive of this TSE is being written: wait until it is done."""

    code = "archive_busy"


class ArchiveDamaged(GatewayError):
    """Files of the archive are missing or changed: put them back from your backup."""

    code = "archive_damaged"


class NothingArchived(GatewayError):
    """The archive has no such file, series, or TSE."""

    code = "nothing_archived"


def unwritable(path: Path, error: OSError) -> ArchiveNotWritten:
    """Return the error that tells why `path` cannot be written."""
    return ArchiveNotWritten(
        Text("{path} cannot be written: {reason}", "{path} lässt sich nicht schreiben: {reason}"),
        path=path,
        reason=reason_of(error),
    )
