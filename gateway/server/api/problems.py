"""Errors of the JSON API as problem details (RFC 9457): a stable `code` for programs, `detail` for people.

Each kind of error has its row in `PROBLEM_TYPES`; one without a row of its own has that of its nearest base.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import web

from gateway.access.audit import AuditUnreadable
from gateway.access.tokens import TokenRefused, TokenUnknown
from gateway.archive.deletion import NotArchived, NotExported, RestNotKept
from gateway.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveNotWritten, NothingArchived
from gateway.archive.run import Stopped
from gateway.errors import (
    BadRequest,
    CommandRejected,
    ConfigurationError,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    ExportInterrupted,
    Forbidden,
    GatewayError,
    InvalidSession,
    LockRefused,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
    Unauthorized,
    UnknownDevice,
    nearest,
)
from gateway.fleet.outages.log import OutagesUnreadable
from gateway.fleet.pins.memory import NotRemembered
from gateway.fleet.pins.retry_guard import KnownWrong, LastTry, PinWithheld
from gateway.i18n.text import Language, Text
from gateway.operations.administration import ClockNotTrusted, PukPaused
from gateway.operations.confirmations import NotConfirmed
from gateway.operations.exports import CursorInvalid, NothingToExport
from gateway.operations.history import TransactionNotFound
from gateway.operations.journal import JournalFailed
from gateway.operations.masterdata import NoCertificate
from gateway.operations.outage_report import TseInUse
from gateway.operations.receipt import NoQrCode
from gateway.operations.recovery import EndedOtherwise, OutcomeUnknown
from gateway.operations.setup import NotFresh
from gateway.operations.store import StoreClosed
from gateway.operations.transactions import KeyReused
from gateway.server.api.errors import ExportChanged, InvalidRequest, ProcessDataForm, RangeInvalid, TooManyStreams
from gateway.server.api.remedies import REMEDIES
from gateway.server.api.responses import InvalidField, Problem
from gateway.server.api.validation import sentence
from gateway.telemetry import log as logs
from gateway.tse.results import name_of, refuses_secret, tries_left

PREFIX = "/api/"
MEDIA = "application/problem+json"
DOCUMENT = "/api/v1/openapi.json"
ERROR_PAGE = "/docs/errors"


class ProblemType(NamedTuple):
    """How one kind of error is told: its HTTP status, and a title that is the same for all errors of the kind."""

    status: HTTPStatus
    title: str


PROBLEM_TYPES: Mapping[type[GatewayError], ProblemType] = {
    GatewayError: ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway made an error; its log tells more"),
    ConfigurationError: ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway cannot work with its settings"),
    NotRemembered: ProblemType(HTTPStatus.INSUFFICIENT_STORAGE, "The disk of the gateway cannot be written"),
    BadRequest: ProblemType(HTTPStatus.BAD_REQUEST, "The request is wrong; nothing was done"),
    InvalidRequest: ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "The body does not have the documented form"),
    ProcessDataForm: ProblemType(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The process data do not have the form of their type"
    ),
    Unauthorized: ProblemType(HTTPStatus.UNAUTHORIZED, "The API token is wrong or missing"),
    Forbidden: ProblemType(HTTPStatus.FORBIDDEN, "The token may not do this, or not for this TSE or client id"),
    RangeInvalid: ProblemType(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The range lies outside the file"),
    ExportChanged: ProblemType(
        HTTPStatus.PRECONDITION_FAILED, "The store is no longer the one that the condition names"
    ),
    UnknownDevice: ProblemType(HTTPStatus.NOT_FOUND, "No TSE with this serial is attached"),
    DeviceError: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The TSE could not be reached or used"),
    DeviceGone: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The TSE was unplugged, or its connection failed"),
    DeviceTimeout: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The TSE did not reply in time"),
    ResponseMissing: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The TSE replied to another command"),
    PowerCycleDetected: ProblemType(
        HTTPStatus.SERVICE_UNAVAILABLE, "The TSE lost power: login, time and self test are gone"
    ),
    LockRefused: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "Another client holds the TSE"),
    InvalidSession: ProblemType(HTTPStatus.BAD_REQUEST, "The session is unknown or over"),
    CommandRejected: ProblemType(HTTPStatus.CONFLICT, "The TSE refused the command"),
    ProtocolError: ProblemType(HTTPStatus.BAD_GATEWAY, "The TSE replied in an unknown form"),
    ExportInterrupted: ProblemType(HTTPStatus.CONFLICT, "A part of the export may be lost"),
    PinWithheld: ProblemType(HTTPStatus.FORBIDDEN, "The PIN or PUK was not sent: it could lock the TSE"),
    LastTry: ProblemType(HTTPStatus.FORBIDDEN, "Only one try is left, so the PIN or PUK was not sent"),
    KnownWrong: ProblemType(HTTPStatus.FORBIDDEN, "The TSE has refused this PIN or PUK before, so it was not sent"),
    ClockNotTrusted: ProblemType(HTTPStatus.CONFLICT, "The clock of the gateway is not known to be right"),
    PukPaused: ProblemType(HTTPStatus.CONFLICT, "The TSE takes no PUK for a while, since the last one was wrong"),
    NotFresh: ProblemType(HTTPStatus.CONFLICT, "The TSE was set up before"),
    NotConfirmed: ProblemType(HTTPStatus.FORBIDDEN, "The confirmation is missing, over, used, or for something else"),
    KeyReused: ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "This Idempotency-Key belongs to another request"),
    OutcomeUnknown: ProblemType(
        HTTPStatus.CONFLICT, "Whether the TSE signed under this key can no longer be found out"
    ),
    EndedOtherwise: ProblemType(HTTPStatus.CONFLICT, "The transaction was finished with other data"),
    JournalFailed: ProblemType(HTTPStatus.INSUFFICIENT_STORAGE, "The journal cannot be written, so no key can be used"),
    TransactionNotFound: ProblemType(HTTPStatus.NOT_FOUND, "The transaction is not among the last ones in the store"),
    NoQrCode: ProblemType(HTTPStatus.CONFLICT, "This step has no QR code"),
    StoreClosed: ProblemType(HTTPStatus.CONFLICT, "The TSE shows its store only after a passed self test"),
    NoCertificate: ProblemType(HTTPStatus.BAD_GATEWAY, "The store holds no certificate for the key of this TSE"),
    NothingToExport: ProblemType(HTTPStatus.NOT_FOUND, "No log message matches, or none is new"),
    CursorInvalid: ProblemType(
        HTTPStatus.CONFLICT, "The cursor is not of this store, or stored data were deleted since"
    ),
    NothingArchived: ProblemType(HTTPStatus.NOT_FOUND, "The archive has no such file, series, or TSE"),
    ArchiveBusy: ProblemType(HTTPStatus.CONFLICT, "The archive of this TSE is being written"),
    ArchiveDamaged: ProblemType(HTTPStatus.CONFLICT, "Files of the archive are missing or changed"),
    ArchiveNotWritten: ProblemType(HTTPStatus.INSUFFICIENT_STORAGE, "The archive cannot be written"),
    Stopped: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "The gateway stops"),
    NotArchived: ProblemType(HTTPStatus.CONFLICT, "The archive does not hold everything that is stored, verified"),
    NotExported: ProblemType(HTTPStatus.CONFLICT, "The export is not a complete one of what is stored now"),
    RestNotKept: ProblemType(
        HTTPStatus.INSUFFICIENT_STORAGE, "What was signed last cannot be kept, so nothing is deleted"
    ),
    TseInUse: ProblemType(HTTPStatus.CONFLICT, "The TSE is attached and works"),
    TokenUnknown: ProblemType(HTTPStatus.NOT_FOUND, "There is no token of this name"),
    TokenRefused: ProblemType(HTTPStatus.CONFLICT, "The token cannot be made, replaced or revoked like this"),
    TooManyStreams: ProblemType(HTTPStatus.SERVICE_UNAVAILABLE, "Too many clients follow the events"),
    AuditUnreadable: ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "The audit log cannot be read"),
    OutagesUnreadable: ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "The outage log cannot be read"),
}
HTTP_TITLES: Mapping[HTTPStatus, str] = {
    HTTPStatus.NOT_FOUND: "There is no such path",
    HTTPStatus.METHOD_NOT_ALLOWED: "The path does not take this method",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too long",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json, or is packed",
}


def of_error(error: GatewayError, language: Language, serial: str = "") -> web.Response:
    """Return the response to a request that ended with `error`, about the TSE with this serial if there is one."""
    kind, code = nearest(PROBLEM_TYPES, type(error)), error.code
    status, members = kind.status, _members(error, language)
    if isinstance(error, CommandRejected):  # each result of the TSE is a problem of its own
        name = name_of(error.result)
        code = code if name.startswith("0X") else name.lower()
        status = HTTPStatus.FORBIDDEN if refuses_secret(error.result) else status
    detail = sentence(error.problems, language) if isinstance(error, InvalidRequest) else str(error)
    return _response(status, code, kind.title, detail, remedy=remedy_of(code, language, serial), **members)


def remedy_of(code: str, language: Language, serial: str = "") -> str | None:
    """Return the request or command that mends a problem; `None` if there is none to name."""
    remedy = REMEDIES.get(code)
    return None if remedy is None else remedy.in_language(language, tse=f"/api/v1/tses/{serial or '{serial}'}")


def of_http_error(error: web.HTTPException, language: Language) -> web.Response:
    """Return the response to a request that aiohttp refused."""
    status = HTTPStatus(error.status)
    title = HTTP_TITLES.get(status, error.reason)
    return _response(status, status.name.lower(), title, _what_helps(error).in_language(language))


def _members(error: GatewayError, language: Language) -> dict[str, Any]:
    """Members of the problem beside those that all have (RFC 9457, 3.2)."""
    match error:
        case CommandRejected():
            return {"device_result": error.result, "tries_left": tries_left(error.result)}
        case PinWithheld():
            return {"tries_left": error.tries_left}
        case ClockNotTrusted():
            return {"clock_offset_seconds": error.offset}
        case InvalidRequest():
            found = [InvalidField(at=problem.at, message=problem.message(language)) for problem in error.problems]
            return {"errors": found or None}
        case _:
            return {}


def _what_helps(error: web.HTTPException) -> Text:
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Text(f"this path takes {allowed}", f"dieser Pfad nimmt {allowed}")
        case web.HTTPNotFound():
            return Text(f"{DOCUMENT} lists all paths", f"{DOCUMENT} nennt alle Pfade")
        case web.HTTPUnsupportedMediaType():
            return Text(
                "send the body as Content-Type: application/json, and without Content-Encoding",
                "den Body als Content-Type: application/json senden, und ohne Content-Encoding",
            )
        case _:
            text = (error.text or error.reason).replace("{", "{{").replace("}", "}}")
            return Text(text, text)


def _response(status: HTTPStatus, code: str, title: str, detail: str, **members: Any) -> web.Response:
    problem = Problem(
        type=f"{ERROR_PAGE}#{code}",
        title=title,
        status=status,
        code=code,
        detail=detail,
        request_id=logs.request_id.get(),
        **members,
    )
    body = problem.model_dump_json(exclude_none=True).encode()
    return web.Response(status=status, body=body, content_type=MEDIA)
