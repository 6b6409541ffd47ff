"""Errors of the JSON API as problem details (RFC 9457): a stable `code` for programs, `detail` for people."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from gateway.archive.errors import NothingArchived
from gateway.errors import CommandRejected, DeviceError, GatewayError, Unauthorized, UnknownDevice
from gateway.fleet.pins.retry_guard import PinWithheld
from gateway.operations.administration import ClockNotTrusted
from gateway.operations.exports import NothingToExport
from gateway.operations.history import TransactionNotFound
from gateway.server.api.responses import Place, Problem
from gateway.telemetry import log as logs
from gateway.tse.results import Result, name_of

PREFIX = "/api/"
MEDIA = "application/problem+json"
_TYPE = "urn:tse-gateway:problem:"
_MISSING = (
    UnknownDevice,
    TransactionNotFound,
    NothingToExport,
    NothingArchived,
)  # tills of the LAN protocol must not see a 404
_REJECTED = "command_rejected"  # with a result that has no name
_WRONG_SECRET = range(0x1100, 0x1200)


class InvalidRequest(GatewayError):
    """The body does not have the documented form; nothing was done."""

    code = "invalid_request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    worm_error = 1

    def __init__(self, message: str, places: Sequence[Place] = ()) -> None:
        super().__init__(message)
        self.places = list(places)


def statuses_of(kind: type[GatewayError]) -> set[HTTPStatus]:
    """What status an error of this kind may have in the JSON API."""
    if issubclass(kind, CommandRejected):
        return {HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN}
    return {HTTPStatus.NOT_FOUND if issubclass(kind, _MISSING) else HTTPStatus(kind.status)}


def codes_of(kind: type[GatewayError]) -> list[str]:
    """What codes an error of this kind may have in the JSON API; a `DeviceError` stands for all kinds of it."""
    if issubclass(kind, CommandRejected):
        return [_REJECTED, *(result.name.lower() for result in Result if result)]
    kinds: list[type[GatewayError]] = [kind, *DeviceError.__subclasses__()] if kind is DeviceError else [kind]
    return [Unauthorized.code if issubclass(known, Unauthorized) else known.code for known in kinds]


def title_of(kind: type[GatewayError]) -> str:
    """The error in a few words."""
    return (kind.__doc__ or kind.code).splitlines()[0].split(";")[0].split(":")[0].rstrip(".")


def of_error(error: GatewayError) -> web.Response:
    """The answer to a request that failed on purpose."""
    code = Unauthorized.code if isinstance(error, Unauthorized) else error.code  # tills know it by another name
    problem = Problem(
        type=_TYPE + code,
        title=title_of(type(error)),
        status=_status(error),
        code=code,
        detail=str(error),
        request_id=logs.request_id.get(),
    )
    if isinstance(error, CommandRejected):
        name = name_of(error.result)
        code = _REJECTED if name.startswith("0X") else name.lower()
        tries = error.result & 0xFF if error.result in _WRONG_SECRET else None
        problem = problem.model_copy(
            update={"type": _TYPE + code, "code": code, "device_result": error.result, "tries_left": tries}
        )
    if isinstance(error, PinWithheld):
        problem = problem.model_copy(update={"tries_left": error.tries_left})
    if isinstance(error, ClockNotTrusted):
        problem = problem.model_copy(update={"clock_offset_seconds": error.offset})
    if isinstance(error, InvalidRequest) and error.places:
        problem = problem.model_copy(update={"errors": error.places})
    return _answer(problem)


def of_status(status: int, title: str) -> web.Response:
    """The answer to a request that the HTTP library refused, or that hit a defect of ours."""
    code = HTTPStatus(status).name.lower()
    kind = _TYPE + code
    return _answer(Problem(type=kind, title=title, status=status, code=code, request_id=logs.request_id.get()))


def _answer(problem: Problem) -> web.Response:
    body = problem.model_dump_json(exclude_none=True).encode()
    return web.Response(status=problem.status, body=body, content_type=MEDIA)


def _status(error: GatewayError) -> int:
    if isinstance(error, CommandRejected):
        wrong = error.result in _WRONG_SECRET or error.result == Result.PIN_BLOCKED
        return HTTPStatus.FORBIDDEN if wrong else HTTPStatus.CONFLICT
    return HTTPStatus.NOT_FOUND if isinstance(error, _MISSING) else HTTPStatus(error.status)
