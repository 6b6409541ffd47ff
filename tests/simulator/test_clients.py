"""Registered clients and the self test."""

import pytest

from gateway.tse.commands import (
    DeregisterClient,
    LastTransaction,
    ListClients,
    Login,
    Logout,
    RegisterClient,
    SelfTest,
    SetTime,
    TransactionStep,
    User,
)
from gateway.tse.lists import ClientListReply
from gateway.tse.results import Result
from tests.simulator.host import ADMIN_PIN, CLIENT, TIME, Clock, Host


def clients(host: Host, skip: int = 0) -> tuple[bytes, ...]:
    return ClientListReply.decode(host.do(ListClients(skip))).client_ids


def test_clients_are_listed_in_their_order_sixteen_at_a_time(host: Host) -> None:
    names = [CLIENT, *(b"K%02d" % number for number in range(17))]
    for name in names[1:]:
        host.do(RegisterClient(name))
    assert clients(host) == tuple(names[:16])
    assert clients(host, 16) == (b"K15", b"K16")
    assert clients(host, 18) == clients(host, 2**32 - 1) == ()
    assert len(host.do(ListClients(0))) == 1 + 16 * 31


def test_registering_twice_is_harmless(host: Host) -> None:
    host.do(RegisterClient(CLIENT))
    assert host.info.registered_clients == 1


def test_there_is_room_for_a_hundred(host: Host) -> None:
    for number in range(99):
        host.do(RegisterClient(b"K%d" % number))
    assert host.result(RegisterClient(b"one more")) == Result.MAX_REGISTERED_CLIENTS
    host.do(RegisterClient(b"K7"))
    assert host.info.registered_clients == host.info.max_registered_clients == 100


@pytest.mark.parametrize("name", [b"a", b"x" * 30, b"137741-0007 Hioneu", b"kasse.1+2:(3)_#", b"..", b"-"])
def test_client_ids_that_are_allowed(host: Host, name: bytes) -> None:
    host.do(RegisterClient(name))
    host.receipt(client=name)
    assert name in clients(host)


@pytest.mark.parametrize(
    "name", [b"", b"x" * 31, b"x" * 255, b"a/b", b"a\\b", b"a\0b", b"a\nb", "Käse".encode(), b"\x7f"]
)
def test_client_ids_that_are_not(host: Host, name: bytes) -> None:
    assert host.result(RegisterClient(name)) == Result.INVALID_PARAMETER
    assert host.info.registered_clients == 1


def test_deregistering(host: Host) -> None:
    host.do(RegisterClient(b"K"))
    host.receipt(client=b"K")
    number = host.step(TransactionStep.START, client=b"K").transaction_number
    assert host.result(DeregisterClient(b"K")) == Result.CLIENT_HAS_OPEN_TRANSACTIONS
    host.step(TransactionStep.FINISH, number, client=b"K")
    host.do(DeregisterClient(b"K"))
    assert host.result(DeregisterClient(b"K")) == Result.CLIENT_NOT_REGISTERED
    assert host.result(LastTransaction(b"K")) == Result.NO_LAST_TRANSACTION
    assert clients(host) == (CLIENT,)


def test_only_the_admin_handles_clients(host: Host) -> None:
    host.do(Logout(User.ADMIN))
    for command in (RegisterClient(b"K"), DeregisterClient(CLIENT), ListClients(0)):
        assert host.result(command) == Result.NOT_AUTHORIZED


def test_before_the_self_test_clients_can_be_registered_but_not_listed(host: Host) -> None:
    host.tse.power_cycle()
    host.do(Login(User.ADMIN, ADMIN_PIN))
    host.do(RegisterClient(b"K"))
    assert host.result(ListClients(0)) == Result.NEEDS_SELF_TEST
    assert host.result(DeregisterClient(b"K")) == Result.NEEDS_SELF_TEST


def test_the_self_test_of_a_fresh_tse_fails_and_that_is_told_apart_from_not_run(fresh: Host) -> None:
    assert fresh.result(SetTime(TIME)) == Result.NEEDS_SELF_TEST
    assert fresh.result(SelfTest(CLIENT)) == Result.CLIENT_NOT_REGISTERED
    assert fresh.result(SetTime(TIME)) == Result.NEEDS_PASSED_SELF_TEST
    assert not fresh.info.self_test_passed


def test_the_self_test_is_due_after_25_hours(host: Host, clock: Clock) -> None:
    assert host.info.self_test_due_seconds == 90_000
    clock.now += 89_999
    assert (host.info.self_test_passed, host.info.self_test_due_seconds, host.info.ctss_active) == (True, 1, True)
    clock.now += 1
    assert (host.info.self_test_passed, host.info.self_test_due_seconds, host.info.ctss_active) == (False, 0, False)
    assert host.result(SetTime(TIME)) == Result.NEEDS_SELF_TEST
    host.do(SelfTest(CLIENT))
    host.do(SetTime(TIME))


def test_a_self_test_for_an_unknown_client_undoes_nothing(host: Host) -> None:
    for client in (b"nobody", b""):
        assert host.result(SelfTest(client)) == Result.CLIENT_NOT_REGISTERED
    assert host.info.self_test_passed
