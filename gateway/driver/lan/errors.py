"""What went wrong at an upstream, as errors of this gateway.

Two kinds: it refused (a number of the LAN-TSE protocol, and a name if it is a gateway like this one),
or no whole response came. Messages name the way out; URLs, which hold sessions, never appear.
"""

import ssl
from http import HTTPStatus

import aiohttp

from gateway import strict_json
from gateway.errors import (
    BadRequest,
    CommandRejected,
    DeviceError,
    DeviceGone,
    DeviceTimeout,
    ExportInterrupted,
    GatewayError,
    InvalidSession,
    LockRefused,
    PowerCycleDetected,
    ProtocolError,
    ResponseMissing,
    UnknownDevice,
)
from gateway.tse.error_numbers import NUMBERS
from gateway.tse.results import ApiError, explain

_Kind = type[GatewayError]
_SAME_NUMBER: tuple[_Kind, ...] = (
    BadRequest,
    DeviceTimeout,
    ProtocolError,
    ResponseMissing,
    ExportInterrupted,
    PowerCycleDetected,
    InvalidSession,
)
_BY_NUMBER: dict[int, _Kind] = {NUMBERS[kind]: kind for kind in _SAME_NUMBER} | {NUMBERS[UnknownDevice]: DeviceGone}
_NAMED: tuple[_Kind, ...] = (*_SAME_NUMBER, DeviceGone, LockRefused)
_BY_NAME: dict[str, _Kind] = {kind.code: kind for kind in _NAMED}
# A lock refused with one of these tells of trouble with the TSE; with any other number, of another holder.
_TROUBLE = frozenset(
    {
        ApiError.NO_WORM_CARD,
        ApiError.IO,
        ApiError.INVALID_RESPONSE,
        ApiError.RESPONSE_MISSING,
        ApiError.POWER_CYCLE_DETECTED,
        ApiError.INVALID_STATE,
        ApiError.TSE_NOT_FOUND,
    }
)
_FIRST_RESULT, _LAST_RESULT = 0x1000, 0xFFFF
_LONGEST_MESSAGE = 200


def of_response(place: str, status: int, body: bytes, *, locking: bool = False) -> GatewayError:
    """Return the error that a response with another status than 200 stands for."""
    if status == HTTPStatus.UNAUTHORIZED:
        return DeviceError(f"upstream {place} refused our token: set its token to the one that it shows")
    document = _document(body)
    number = document.get("error")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= _LAST_RESULT:
        return DeviceError(f"upstream {place} answered with HTTP status {status}: is its URL that of a LAN-TSE server?")
    if number >= _FIRST_RESULT and not locking:
        return CommandRejected(number, explain(number))
    message = f"upstream {place}: {_message(document) or explain(number)}"
    if locking and number not in _TROUBLE:
        return LockRefused(message)
    kind = _BY_NAME.get(str(document.get("error_name"))) or _BY_NUMBER.get(number, DeviceError)
    return kind(message)


def without_response(place: str, error: Exception, limit: float) -> DeviceError:
    """Return the error for a request that got no whole response; whether it took effect is unknown."""
    kind: type[DeviceError] = DeviceGone
    text = "broke the connection"
    match error:
        case aiohttp.ConnectionTimeoutError():
            text = "does not answer: is it running, is its address right?"
        case TimeoutError():
            kind, text = DeviceTimeout, f"gave no answer within {limit:g} s"
        case aiohttp.ServerFingerprintMismatch():
            kind, text = DeviceError, f"has a certificate with another fingerprint: {error.got.hex().upper()}"
        case aiohttp.ClientConnectorCertificateError():
            kind, text = DeviceError, f"has a certificate that is not trusted: {_distrust(error)}"
        case aiohttp.ClientSSLError():
            kind, text = DeviceError, f"does not speak TLS as we do: {_reason(error.os_error)}"
        case aiohttp.ClientConnectorError():
            text = f"cannot be reached: {_reason(error.os_error)}"
    return kind(f"upstream {place} {text}")


def _document(body: bytes) -> dict[str, object]:
    try:
        document = strict_json.parse(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _message(document: dict[str, object]) -> str:
    # Only a gateway like this one: of its messages it is known that they hold no secrets.
    message = document.get("error_message") if "error_name" in document else None
    return message[:_LONGEST_MESSAGE] if isinstance(message, str) and message.isprintable() else ""


def _distrust(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    reason = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "verification failed"
    return f"{reason}; check ca_file, use a name of the certificate in the URL, or pin its fingerprint"


def _reason(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return (reason or error.strerror or "unknown reason").replace("_", " ").lower()
