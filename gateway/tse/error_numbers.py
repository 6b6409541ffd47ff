"""Which number of the host library stands for which error, as clients of the LAN-TSE protocol know them.

The server tells errors by these numbers; the driver of an upstream reads them.
"""

from collections.abc import Mapping

from gateway.errors import (
    BadRequest,
    CommandRejected,
    DeviceError,
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
from gateway.tse.results import ApiError

NUMBERS: Mapping[type[GatewayError], int] = {
    GatewayError: ApiError.INVALID_STATE,
    ProtocolError: ApiError.INVALID_RESPONSE,
    DeviceError: ApiError.IO,
    DeviceTimeout: ApiError.TIMEOUT,
    ResponseMissing: ApiError.RESPONSE_MISSING,
    PowerCycleDetected: ApiError.POWER_CYCLE_DETECTED,
    UnknownDevice: ApiError.TSE_NOT_FOUND,
    LockRefused: ApiError.TIMEOUT,
    InvalidSession: ApiError.LAN_INVALID_SERVER_RESPONSE,
    ExportInterrupted: ApiError.EXPORT_FAILED,
    BadRequest: ApiError.INVALID_PARAMETER,
    Unauthorized: ApiError.LAN_INVALID_API_TOKEN,
    Forbidden: ApiError.LAN_INVALID_API_TOKEN,
}


def number_of(error: GatewayError) -> int:
    """Return the result of the TSE for a refused command (0x1000 and above), else the number of the nearest base."""
    return error.result if isinstance(error, CommandRejected) else nearest(NUMBERS, type(error))
