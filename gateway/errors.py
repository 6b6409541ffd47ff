"""The one error tree: what went wrong.

`code` is for programs, the message tells people what happened and what helps, in German or English. Which HTTP status
or number a protocol gives an error stands in the mapping of that protocol: `server.api.problems`, `server.lan_errors`,
`tse.error_numbers`.
"""

from collections.abc import Mapping
from typing import TypeVar

from gateway.i18n.text import Text, TextError

T = TypeVar("T")
_REFUSED = Text(
    "the TSE refused the command: 0x{result:04x} {explanation}",
    "die TSE hat den Befehl abgelehnt: 0x{result:04x} {explanation}",
)


class GatewayError(TextError):
    """Root of everything the gateway raises on purpose."""

    code = "internal_error"


class UnfitValue(TextError, ValueError):
    """A value is none of those that can be used here. The message never shows it: it may be a secret."""


class ProtocolError(GatewayError):
    """Bytes from a TSE (or meant for one) break its protocol."""

    code = "protocol_error"


class CommandRejected(GatewayError):
    """The TSE understood the command and refused it; its state is unchanged. `result` is its result code (u16)."""

    code = "command_rejected"

    def __init__(self, result: int, explanation: Text) -> None:
        super().__init__(_REFUSED, result=result, explanation=explanation)
        self.result = result


class DeviceError(GatewayError):
    """The TSE could not be reached or used; it must be opened afresh."""

    code = "device_error"


class DeviceGone(DeviceError):
    """The TSE was unplugged, or its transport failed: nothing more can be read from it."""

    code = "device_gone"


class DeviceTimeout(DeviceError):
    """The TSE did not reply within the deadline; whether the command took effect is unknown."""

    code = "device_timeout"


class ResponseMissing(DeviceError):
    """The response counter jumped: the reply belongs to another command."""

    code = "response_missing"


class PowerCycleDetected(DeviceError):
    """The TSE lost power in between: login, time and self test are gone."""

    code = "power_cycle"


class UnknownDevice(GatewayError):
    """No TSE with this serial is attached."""

    code = "unknown_device"


class LockRefused(GatewayError):
    """Another client held the TSE for the whole time that this one may wait."""

    code = "lock_refused"


class InvalidSession(GatewayError):
    """The session never existed, was given back, or its lock has lapsed."""

    code = "invalid_session"


class ExportInterrupted(GatewayError):
    """A part of an export may have been lost on the way; only a new export is sure to be whole."""

    code = "export_interrupted"


class BadRequest(GatewayError):
    """The request itself is wrong; nothing was done."""

    code = "bad_request"


class Unauthorized(GatewayError):
    """The API token is wrong or missing."""

    code = "unauthorized"


class Forbidden(GatewayError):
    """The token may not do this: another role does, or the token is for other TSEs or client ids."""

    code = "forbidden"


class ConfigurationError(GatewayError):
    """The gateway cannot start like this; the message says what to change."""

    code = "configuration_error"


def nearest(table: Mapping[type[GatewayError], T], kind: type[GatewayError]) -> T:
    """Return the entry of `kind`, else that of its nearest base; `table` has one for `GatewayError`."""
    return next(table[base] for base in kind.__mro__ if base in table)
