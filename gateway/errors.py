"""The one error tree: what went wrong, told to three readers.

`code` is for programs, the message for people, `worm_error` for clients of the
LAN protocol: the integer that the POS software gets from its library (API codes
below 0x1000, device results from 0x1000 on). `status` is the HTTP status.
"""

from http import HTTPStatus


class GatewayError(Exception):
    """Root of everything the gateway raises on purpose."""

    code = "internal_error"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    worm_error = 23


class ProtocolError(GatewayError):
    """Bytes from a TSE (or meant for one) that break its protocol."""

    code = "protocol_error"
    status = HTTPStatus.BAD_GATEWAY
    worm_error = 6


class CommandRejected(GatewayError):
    """The TSE understood the command and refused it; its state is unchanged."""

    code = "command_rejected"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, result: int, explanation: str) -> None:
        super().__init__(f"the TSE refused the command: 0x{result:04x} {explanation}")
        self.result = result
        self.worm_error = result


class DeviceError(GatewayError):
    """The TSE could not be reached or used; it must be opened afresh."""

    code = "device_error"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    worm_error = 3


class DeviceGone(DeviceError):
    """Unplugged, or its transport failed: nothing more can be read from it."""

    code = "device_gone"


class DeviceTimeout(DeviceError):
    """No answer within the deadline; whether the command took effect is unknown."""

    code = "device_timeout"
    worm_error = 4


class ResponseMissing(DeviceError):
    """The response counter jumped: the answer belongs to another command."""

    code = "response_missing"
    worm_error = 8


class PowerCycleDetected(DeviceError):
    """The TSE lost power in between: login, time and self test are gone."""

    code = "power_cycle"
    worm_error = 13


class UnknownDevice(GatewayError):
    """No TSE with this serial is attached."""

    code = "unknown_device"
    status = HTTPStatus.BAD_REQUEST  # a 404 would hide the error number from the vendor's client
    worm_error = 24


class LockRefused(GatewayError):
    """Another client held the TSE for the whole time that this one may wait."""

    code = "lock_refused"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    worm_error = 4


class InvalidSession(GatewayError):
    """The session never existed, was given back, or its lock has lapsed."""

    code = "invalid_session"
    status = HTTPStatus.BAD_REQUEST
    worm_error = 22


class ExportInterrupted(GatewayError):
    """A part of an export may have been lost on the way; only a new export is sure to be whole."""

    code = "export_interrupted"
    status = HTTPStatus.CONFLICT
    worm_error = 10


class BadRequest(GatewayError):
    """The request itself is wrong; nothing was done."""

    code = "bad_request"
    status = HTTPStatus.BAD_REQUEST
    worm_error = 1


class Unauthorized(GatewayError):
    """Wrong or missing API token."""

    code = "unauthorized"
    status = HTTPStatus.UNAUTHORIZED
    worm_error = 18


class ConfigurationError(GatewayError):
    """The gateway cannot start like this; the message says what to change."""

    code = "configuration_error"
