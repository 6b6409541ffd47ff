"""What went wrong at an upstream, as errors of this gateway.

Two kinds: it refused (a number of the LAN-TSE protocol, and a name if it is a gateway like this one),
or no whole response came. Messages name the way out; URLs, which hold sessions, never appear.
"""

import ssl
from http import HTTPStatus

import aiohttp

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
from gateway.i18n.text import Text, literal, reason_of
from gateway.storage import strict_json
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
_NOT_VERIFIED = Text("verification failed", "die Prüfung schlug fehl")
_UNKNOWN_REASON = Text("unknown reason", "unbekannter Grund")


def of_response(place: str, status: int, body: bytes, *, locking: bool = False) -> GatewayError:
    """Return the error that a response with another status than 200 stands for."""
    if status == HTTPStatus.UNAUTHORIZED:
        return DeviceError(
            Text(
                "upstream {place} refused our token: set its token to the one that it shows",
                "Upstream {place} lehnt unser Token ab: als sein Token das eintragen, das er anzeigt",
            ),
            place=place,
        )
    document = _document(body)
    number = document.get("error")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= _LAST_RESULT:
        return DeviceError(
            Text(
                "upstream {place} answered with HTTP status {status}: is its URL that of a LAN-TSE server?",
                "Upstream {place} antwortet mit dem HTTP-Status {status}: ist seine URL die eines LAN-TSE-Servers?",
            ),
            place=place,
            status=status,
        )
    if number >= _FIRST_RESULT and not locking:
        return CommandRejected(number, explain(number))
    message = _message(document) or explain(number)
    kind = _BY_NAME.get(str(document.get("error_name"))) or _BY_NUMBER.get(number, DeviceError)
    if locking and number not in _TROUBLE:
        kind = LockRefused
    return kind(Text("upstream {place}: {message}", "Upstream {place}: {message}"), place=place, message=message)


def without_response(  # noqa: PLR0911 (one for each way to fail)
    place: str, error: Exception, limit: float
) -> DeviceError:
    """Return the error for a request that got no whole response; whether it took effect is unknown."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return DeviceGone(
                Text(
                    "upstream {place} does not answer: is it running, is its address right?",
                    "Upstream {place} antwortet nicht: läuft er, stimmt seine Adresse?",
                ),
                place=place,
            )
        case TimeoutError():
            return DeviceTimeout(
                Text(
                    "upstream {place} gave no answer within {limit:g} s",
                    "Upstream {place} hat binnen {limit:g} s nicht geantwortet",
                ),
                place=place,
                limit=limit,
            )
        case aiohttp.ServerFingerprintMismatch():
            return DeviceError(
                Text(
                    "upstream {place} has a certificate with another fingerprint: {fingerprint}",
                    "Upstream {place} hat ein Zertifikat mit einem anderen Fingerabdruck: {fingerprint}",
                ),
                place=place,
                fingerprint=error.got.hex().upper(),
            )
        case aiohttp.ClientConnectorCertificateError():
            return DeviceError(
                Text(
                    "upstream {place} has a certificate that is not trusted: {reason}; check ca_file, use a name of "
                    "the "
                    "certificate in the URL, or pin its fingerprint",
                    "Upstream {place} hat ein Zertifikat, dem nicht vertraut wird: {reason}; ca_file prüfen, in der "
                    "URL "
                    "einen Namen aus dem Zertifikat nehmen, oder seinen Fingerabdruck angeben",
                ),
                place=place,
                reason=_distrust(error),
            )
        case aiohttp.ClientSSLError():
            return DeviceError(
                Text(
                    "upstream {place} does not speak TLS as we do: {reason}",
                    "Upstream {place} spricht kein TLS, wie wir es tun: {reason}",
                ),
                place=place,
                reason=_reason(error.os_error),
            )
        case aiohttp.ClientConnectorError():
            return DeviceGone(
                Text("upstream {place} cannot be reached: {reason}", "Upstream {place} ist nicht erreichbar: {reason}"),
                place=place,
                reason=_reason(error.os_error),
            )
    return DeviceGone(
        Text("upstream {place} broke the connection", "Upstream {place} hat die Verbindung abgebrochen"), place=place
    )


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


def _distrust(error: aiohttp.ClientConnectorCertificateError) -> Text:
    cause = error.certificate_error
    return literal(*[cause.verify_message] * 2) if isinstance(cause, ssl.SSLCertVerificationError) else _NOT_VERIFIED


def _reason(error: OSError) -> Text:
    if isinstance(error, ssl.SSLError) and error.reason:
        return literal(*[error.reason.replace("_", " ").lower()] * 2)
    return reason_of(error) if error.strerror else _UNKNOWN_REASON
