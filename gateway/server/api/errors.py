"""Errors that only requests of the JSON API meet, and those that whole groups of endpoints have in common."""

from collections.abc import Sequence

from gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveNotWritten
from gateway.archive.run import Stopped
from gateway.errors import (
    BadRequest,
    CommandRejected,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    GatewayError,
    LockRefused,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
    UnknownDevice,
)
from gateway.operations.store import StoreClosed
from gateway.server.api.validation import FieldProblem, sentence

Errors = tuple[type[GatewayError], ...]


class InvalidRequest(BadRequest):
    """The body does not have the documented form, so nothing was done; `problems` tell which fields, and why."""

    code = "invalid_request"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__(sentence(problems))
        self.problems = tuple(problems)


class ProcessDataForm(InvalidRequest):
    """The process data do not have the form that their type demands; nothing was signed."""

    code = "process_data_form"


class RangeInvalid(GatewayError):
    """The requested range lies outside the file."""

    code = "range_invalid"


class ExportChanged(GatewayError):
    """The store is no longer what the condition of the request names: export it from its beginning."""

    code = "export_changed"


class TooManyStreams(GatewayError):
    """As many clients follow the events as are served; try again later."""

    code = "too_many_streams"


TSE_FAILED: Errors = (DeviceError, DeviceGone, DeviceTimeout, ResponseMissing, PowerCycleDetected)
SENDING: Errors = (UnknownDevice, *TSE_FAILED, LockRefused, CommandRejected, ProtocolError)  # commands to a TSE
READING: Errors = (UnknownDevice, *TSE_FAILED, StoreClosed, ProtocolError)  # the store of a TSE
DOWNLOADING: Errors = (RangeInvalid, ExportChanged)  # parts of a file
ARCHIVING: Errors = (ArchiveBusy, ArchiveNotWritten, ArchiveDamaged, Stopped)
