"""Each error has its place in the mapping of each protocol."""

import importlib
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus

import pytest

import gateway
from gateway.errors import CommandRejected, DeviceError, GatewayError, nearest
from gateway.server import lan_errors
from gateway.server.api import problem_types, routes
from gateway.server.api.openapi import errors_of
from gateway.tse.error_numbers import NUMBERS, number_of
from tests.texts import said

NOT_SERVED = (
    "gateway.app.",
    "gateway.cli.",
    "gateway.client.",
    "gateway.clock.",
    "gateway.server.status_page.",
    "gateway.archive.targets.",
    "gateway.archive.timestamps",
)


def _all() -> Iterator[type[GatewayError]]:
    """All errors but those that no client gets: of commands, the status page, uploads and stamps of the archive."""
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    todo = [GatewayError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind.__module__.startswith("gateway.") and not kind.__module__.startswith(NOT_SERVED):
            yield kind


ERRORS = sorted(_all(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_a_number_and_a_status_that_a_till_understands(kind: type[GatewayError]) -> None:
    assert 0 < nearest(NUMBERS, kind) < 0x1000
    status = nearest(lan_errors.STATUSES, kind)
    assert status >= 400
    assert status != HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_a_problem_of_its_own_in_the_json_api(kind: type[GatewayError]) -> None:
    assert kind in problem_types.PROBLEM_TYPES, f"{kind.__name__} needs a row in gateway.server.api.problem_types"


def test_a_code_stands_for_one_error() -> None:
    codes = [kind.code for kind in ERRORS]
    assert len(codes) == len(set(codes))


def test_whoever_documents_a_failed_tse_documents_all_kinds_of_it() -> None:
    for endpoint in routes.ENDPOINTS:
        documented = set(errors_of(endpoint))
        assert DeviceError not in documented or documented >= set(DeviceError.__subclasses__()), endpoint.name


def test_a_refused_command_has_the_number_of_the_tse() -> None:
    assert number_of(CommandRejected(0x100F, said("log in first"))) == 0x100F


def test_an_error_without_an_entry_has_that_of_its_nearest_base() -> None:
    class Lost(DeviceError):
        """No row names it."""

    assert nearest(problem_types.PROBLEM_TYPES, Lost) == problem_types.PROBLEM_TYPES[DeviceError]
    assert number_of(Lost(said("x"))) == NUMBERS[DeviceError]
