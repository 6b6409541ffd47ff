"""The numbers by which clients of the LAN protocol know errors."""

from gateway.errors import CommandRejected, DeviceGone, DeviceTimeout, GatewayError
from gateway.tse.error_numbers import NUMBERS, number_of
from gateway.tse.results import ApiError, Result
from tests.texts import said


def test_a_refusal_has_the_number_of_the_tse_and_each_error_that_of_its_nearest_base() -> None:
    assert number_of(CommandRejected(Result.NEEDS_SELF_TEST, said("run it"))) == Result.NEEDS_SELF_TEST
    assert number_of(DeviceTimeout(said("no answer"))) == ApiError.TIMEOUT
    assert DeviceGone not in NUMBERS
    assert number_of(DeviceGone(said("unplugged"))) == ApiError.IO
    assert number_of(GatewayError(said("x"))) == ApiError.INVALID_STATE
