"""PINs, PUK, tries and logins."""

import pytest

from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import ChangePin, ChangePuk, Login, Logout, RegisterClient, SelfTest, UnblockPin, User
from gateway.tse.credentials import RETAIL_SEED, Credentials, initial_credentials
from gateway.tse.results import Result
from tests.simulator.host import ADMIN_PIN, CLIENT, PUK, TIME, TIME_ADMIN_PIN, Host

WRONG_PIN, WRONG_PUK = b"00000", b"000000"


@pytest.fixture
def initial(tse: SimulatedTse) -> Credentials:
    return initial_credentials(RETAIL_SEED, tse.serial)


@pytest.fixture
def tested(fresh: Host) -> Host:
    """Fresh, but the self test was run once (and failed, as it does on a fresh TSE)."""
    assert fresh.result(SelfTest(CLIENT)) == Result.CLIENT_NOT_REGISTERED
    return fresh


def test_a_fresh_tse_wants_a_self_test_before_its_credentials(fresh: Host, initial: Credentials) -> None:
    for command in (
        ChangePuk(User.ADMIN, initial.admin_puk, PUK),
        Login(User.ADMIN, initial.admin_pin),
        ChangePin(User.ADMIN, initial.admin_pin, ADMIN_PIN),
        UnblockPin(User.ADMIN, initial.admin_puk, ADMIN_PIN),
    ):
        assert fresh.result(command) == Result.NEEDS_SELF_TEST


def test_login_needs_another_puk_first(tested: Host, initial: Credentials) -> None:
    assert tested.result(Login(User.ADMIN, initial.admin_pin)) == Result.NEEDS_PUK_CHANGE


def test_the_info_tells_which_credentials_are_changed(tested: Host, initial: Credentials) -> None:
    seen = [tested.info.credentials_changed]
    tested.do(ChangePuk(User.ADMIN, initial.admin_puk, PUK))
    seen.append(tested.info.credentials_changed)
    for user, pin in ((User.ADMIN, initial.admin_pin), (User.TIME_ADMIN, initial.time_admin_pin)):
        tested.do(Login(user, pin))
        tested.do(ChangePin(user, pin, ADMIN_PIN))
        seen.append(tested.info.credentials_changed)
    assert seen == [0, 1, 3, 7]


def test_setup_works_with_the_credentials_of_the_seed(fresh: Host) -> None:
    fresh.set_up()
    info = fresh.info
    assert (info.lifecycle, info.self_test_passed, info.valid_time, info.created_signatures) == (1, True, False, 1)


def test_wrong_pins_count_down_and_block_and_the_puk_helps(host: Host) -> None:
    results = [host.result(Login(User.TIME_ADMIN, WRONG_PIN)) for _ in range(4)]
    assert results == [0x1102, 0x1101, 0x1100, Result.PIN_BLOCKED]
    assert host.result(Login(User.TIME_ADMIN, TIME_ADMIN_PIN)) == Result.PIN_BLOCKED
    host.do(Login(User.ADMIN, ADMIN_PIN))
    assert host.result(UnblockPin(User.TIME_ADMIN, PUK, b"4711")) == Result.INVALID_PARAMETER
    host.do(UnblockPin(User.TIME_ADMIN, PUK, b"47110"))
    host.do(Login(User.TIME_ADMIN, b"47110"))


def test_a_right_pin_gives_all_tries_back(host: Host) -> None:
    for _ in range(2):
        assert host.result(Login(User.ADMIN, WRONG_PIN)) == 0x1102
        host.do(Login(User.ADMIN, ADMIN_PIN))


def test_tries_survive_a_power_cycle(host: Host) -> None:
    host.result(Login(User.ADMIN, WRONG_PIN))
    host.tse.power_cycle()
    assert host.result(Login(User.ADMIN, WRONG_PIN)) == 0x1101


@pytest.mark.parametrize("wrong", [b"", b"1234", b"123456", b"1234\0", bytes(200)])
def test_pins_of_another_length_are_just_wrong(host: Host, wrong: bytes) -> None:
    assert host.result(Login(User.ADMIN, wrong)) == 0x1102


def test_wrong_puks_block_the_puk(host: Host) -> None:
    commands = [
        ChangePuk(User.ADMIN, WRONG_PUK, PUK),
        UnblockPin(User.ADMIN, WRONG_PUK, ADMIN_PIN),
        ChangePuk(User.ADMIN, WRONG_PUK, PUK),
    ]
    assert [host.result(command) for command in commands] == [0x1102, 0x1101, 0x1100]
    assert host.result(ChangePuk(User.ADMIN, PUK, PUK)) == Result.PIN_BLOCKED


def test_the_puk_can_be_changed_without_login(host: Host) -> None:
    host.tse.power_cycle()
    assert host.result(ChangePuk(User.ADMIN, PUK, b"1")) == Result.INVALID_PARAMETER
    host.do(ChangePuk(User.ADMIN, PUK, b"654321"))
    assert host.result(ChangePuk(User.ADMIN, PUK, PUK)) == 0x1102


def test_unblocking_needs_a_pin_that_was_changed_once(tested: Host, initial: Credentials) -> None:
    assert tested.result(UnblockPin(User.ADMIN, initial.admin_puk, ADMIN_PIN)) == Result.NEEDS_PIN_CHANGE


def test_changing_a_pin(host: Host) -> None:
    assert host.result(ChangePin(User.ADMIN, WRONG_PIN, b"11111")) == 0x1102
    assert host.result(ChangePin(User.ADMIN, ADMIN_PIN, b"1111")) == Result.INVALID_PARAMETER
    host.do(ChangePin(User.ADMIN, ADMIN_PIN, b"11111"))
    host.do(Logout(User.ADMIN))
    assert host.result(ChangePin(User.ADMIN, b"11111", ADMIN_PIN)) == Result.USER_NOT_LOGGED_IN
    assert host.result(Login(User.ADMIN, ADMIN_PIN)) == 0x1102
    host.do(Login(User.ADMIN, b"11111"))


@pytest.mark.parametrize("user", [0, 3, 255])
def test_there_are_two_users(host: Host, user: int) -> None:
    for command in (
        Login(user, ADMIN_PIN),
        Logout(user),
        ChangePin(user, ADMIN_PIN, ADMIN_PIN),
        UnblockPin(user, PUK, ADMIN_PIN),
    ):
        assert host.result(command) == Result.INVALID_PARAMETER


def test_logging_out_one_user_leaves_the_other(host: Host) -> None:
    host.do(Logout(User.TIME_ADMIN))
    assert host.result(Logout(User.TIME_ADMIN)) == Result.USER_NOT_LOGGED_IN
    host.do(RegisterClient(b"POS-2"))


def test_logins_survive_the_self_test_but_no_power_cycle(host: Host) -> None:
    host.do(SelfTest(CLIENT))
    host.do(RegisterClient(b"POS-2"))
    host.tse.power_cycle()
    assert host.result(RegisterClient(b"POS-3")) == Result.NOT_AUTHORIZED


def test_a_login_is_logged_only_with_valid_time_and_a_failed_one_never(host: Host) -> None:
    host.tse.power_cycle()
    before = host.info.created_signatures
    host.start_day(TIME + 60)  # both logins come before the time
    assert host.info.created_signatures == before + 1
    host.result(Login(User.ADMIN, WRONG_PIN))
    assert host.info.created_signatures == before + 1
    host.do(Login(User.ADMIN, ADMIN_PIN))
    host.do(Logout(User.ADMIN))
    assert host.info.created_signatures == before + 3


def test_secrets_are_not_shown(host: Host) -> None:
    state = host.tse._core.state
    for secret in (PUK, ADMIN_PIN, TIME_ADMIN_PIN):
        assert secret.decode() not in repr(state)
