"""Errors that only requests of the JSON API meet."""

from collections.abc import Sequence

from gateway.errors import BadRequest, GatewayError
from gateway.server.api.responses import Place


class InvalidRequest(BadRequest):
    """The body does not have the documented form; nothing was done. `places` are where, without the given values."""

    code = "invalid_request"

    def __init__(self, message: str, places: Sequence[Place] = ()) -> None:
        super().__init__(message)
        self.places = list(places)


class ProcessDataForm(InvalidRequest):
    """The process data do not have the form that their type demands; nothing was signed."""

    code = "process_data_form"


class RangeInvalid(GatewayError):
    """The requested range lies outside the file."""

    code = "range_invalid"


class ExportChanged(GatewayError):
    """The store is no longer what the condition of the request names: export it from its beginning."""

    code = "export_changed"
