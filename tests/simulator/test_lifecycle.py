"""From the fresh stick to its end: CTSS, initialisation, time, decommissioning."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse.commands import (
    ApplyUpdate,
    Decommission,
    DeleteStoredData,
    DisableCtss,
    EnableCtss,
    ExportIfCspFails,
    FactoryReset,
    FlashHealth,
    HealthReply,
    Initialize,
    ListTransactions,
    Login,
    Logout,
    OpenImport,
    RegisterClient,
    SelfTest,
    SetTime,
    TransactionStep,
    TransferUpdate,
    User,
)
from gateway.tse.info import TseInfo
from gateway.tse.results import Result
from tests.simulator.host import ADMIN_PIN, CLIENT, TIME, TIME_ADMIN_PIN, Clock, Host

START = OpenImport(TransactionStep.START, CLIENT, 0, 0, b"")


def test_a_fresh_tse_shows_itself(fresh: Host) -> None:
    info = fresh.info
    assert info.serial == fresh.tse.serial
    assert (info.firmware_type, info.form_factor, info.software) == ("RLS", "USB", "1.1.0")
    assert "SIMULATOR" in info.description
    assert (info.capacity_blocks, info.used_blocks, info.open_transactions) == (15_000_000, 0, 0)
    assert (info.lifecycle, info.ctss_active, info.valid_time, info.self_test_passed) == (0, False, False, False)
    assert (info.max_signatures, info.max_open_transactions, info.max_registered_clients) == (20_000_000, 512, 100)
    assert (info.max_time_sync_delay_seconds, info.max_update_delay_seconds) == (1800, 60)
    assert (info.last_entry_block, fresh.tse.capacity_blocks) == (2, info.capacity_blocks)
    assert info.encode() == fresh.tse.read_info()


def test_ctss_and_the_export_switch_last_but_ctss_waits_for_the_self_test(host: Host) -> None:
    host.do(ExportIfCspFails(True))
    host.tse.power_cycle()
    info = host.info
    assert (info.ctss_active, info.export_if_csp_fails, info.used_blocks, info.tar_export_bytes) == (False, True, 0, 0)
    host.do(SelfTest(CLIENT))
    info = host.info
    assert info.ctss_active
    assert info.tar_export_bytes == (info.used_blocks + 2) * 512
    host.do(Login(User.ADMIN, ADMIN_PIN))
    host.do(ExportIfCspFails(False))
    assert not host.info.export_if_csp_fails


def test_without_ctss_nothing_is_signed_and_sizes_are_hidden(host: Host) -> None:
    number = host.step(TransactionStep.START).transaction_number
    host.do(DisableCtss())
    info = host.info
    assert (info.ctss_active, info.used_blocks, info.open_transactions) == (False, 0, 0)
    for command in (START, ListTransactions(0, b""), SetTime(TIME), ExportIfCspFails(True), DeleteStoredData()):
        assert host.result(command) == Result.NEEDS_ACTIVE_CTSS
    host.do(EnableCtss())
    host.step(TransactionStep.FINISH, number)


@pytest.mark.parametrize(
    "command", [EnableCtss(), DisableCtss(), ExportIfCspFails(True), Decommission(), DeleteStoredData()]
)
def test_what_only_the_admin_may_do(host: Host, command: EnableCtss) -> None:
    host.do(Logout(User.ADMIN))
    assert host.result(command) == Result.NOT_AUTHORIZED
    host.tse.power_cycle()
    assert host.result(command) == Result.NEEDS_SELF_TEST


def test_initialising_once(fresh: Host) -> None:
    fresh.result(SelfTest(CLIENT))
    fresh.change_credentials()
    fresh.do(RegisterClient(CLIENT))
    fresh.do(SelfTest(CLIENT))
    assert fresh.result(Initialize()) == Result.NEEDS_ACTIVE_CTSS
    fresh.do(EnableCtss())
    assert fresh.result(START) == Result.NOT_INITIALIZED
    assert fresh.result(Decommission()) == Result.NOT_INITIALIZED
    fresh.do(Logout(User.ADMIN))
    assert fresh.result(Initialize()) == Result.NOT_AUTHORIZED
    fresh.do(Login(User.ADMIN, ADMIN_PIN))
    fresh.do(SetTime(TIME))
    assert fresh.info.created_signatures == 0  # nothing is logged before
    fresh.do(Initialize())
    assert fresh.info.created_signatures == 1
    assert fresh.result(Initialize()) == Result.ALREADY_INITIALIZED


def test_a_repeated_setup_ends_with_already_initialised(fresh: Host) -> None:
    fresh.set_up()
    fresh.login_all()
    steps = [RegisterClient(CLIENT), SelfTest(CLIENT), EnableCtss(), ExportIfCspFails(True), Initialize()]
    assert [fresh.result(step) for step in steps] == [0, 0, 0, 0, Result.ALREADY_INITIALIZED]
    assert fresh.info.created_signatures == 1


def test_time_is_valid_for_half_an_hour(host: Host, clock: Clock) -> None:
    assert host.info.time_sync_due_seconds == 1800
    clock.now += 1799
    assert (host.info.valid_time, host.info.time_sync_due_seconds) == (True, 1)
    assert host.step(TransactionStep.START).log_time == TIME + 1799
    clock.now += 1
    assert (host.info.valid_time, host.info.time_sync_due_seconds) == (False, 0)
    assert host.result(START) == Result.NO_TIME_SET
    host.do(SetTime(TIME + 1800))
    host.do(START)


@pytest.mark.parametrize("user", [User.ADMIN, User.TIME_ADMIN])
def test_either_user_may_set_the_time(host: Host, user: User) -> None:
    host.do(Logout(user))
    host.do(SetTime(TIME + 5))
    host.do(Logout(User.ADMIN if user is User.TIME_ADMIN else User.TIME_ADMIN))
    assert host.result(SetTime(TIME + 6)) == Result.NOT_AUTHORIZED


@pytest.mark.parametrize("time", [0, 10**10, 2**64 - 1])
def test_impossible_times_are_refused_and_change_nothing(host: Host, time: int) -> None:
    before = host.info
    assert host.result(SetTime(time)) == Result.INVALID_PARAMETER
    assert host.info == before


def test_time_may_go_back(host: Host) -> None:
    host.do(SetTime(TIME - 3600))
    assert host.step(TransactionStep.START).log_time == TIME - 3600


def test_decommissioning_is_the_end(host: Host) -> None:
    number = host.step(TransactionStep.START).transaction_number
    assert host.result(Decommission()) == Result.TSE_HAS_OPEN_TRANSACTIONS
    host.step(TransactionStep.FINISH, number)
    before = host.info.created_signatures
    host.do(Decommission())
    assert (host.info.lifecycle, host.info.created_signatures) == (2, before + 1)
    for command in (START, Initialize(), Decommission(), RegisterClient(b"K")):
        assert host.result(command) == Result.DECOMMISSIONED
    host.do(SetTime(TIME + 9))
    host.do(Login(User.TIME_ADMIN, TIME_ADMIN_PIN))
    assert host.info.created_signatures == before + 1


def test_flash_health_needs_nothing(fresh: Host) -> None:
    health = HealthReply.decode(fresh.do(FlashHealth()))
    assert (health.spare_blocks_percent, health.uncorrectable_ecc_errors, health.needs_replacement) == (100, 0, False)


def test_there_is_no_firmware_update(host: Host) -> None:
    host.do(TransferUpdate(0, bytes(16)))
    assert host.result(ApplyUpdate(16)) == Result.UPDATE_FORMAT
    host.do(Logout(User.ADMIN))
    assert host.result(TransferUpdate(0, bytes(16))) == host.result(ApplyUpdate(16)) == Result.NOT_AUTHORIZED


def test_release_firmware_knows_no_factory_reset(host: Host) -> None:
    before = host.info
    assert host.result(FactoryReset()) == Result.COMMAND_NOT_ALLOWED
    assert host.info == before


def test_development_firmware_can_be_reset_and_set_up_again(tmp_path: Path) -> None:
    tse = SimulatedTse.create(tmp_path / "dev", Make(firmware_type="DEV", seed=b"other"), durable=False)
    host = Host(tse)
    assert host.result(SelfTest(CLIENT)) == Result.CLIENT_NOT_REGISTERED
    host.change_credentials(seed=b"other")
    host.do(RegisterClient(CLIENT))
    host.do(SelfTest(CLIENT))
    host.do(EnableCtss())
    host.do(Initialize())
    host.do(FactoryReset())
    info = host.info
    assert (info.lifecycle, info.registered_clients, info.credentials_changed, info.last_entry_block) == (0, 0, 0, 2)
    host.result(SelfTest(CLIENT))
    host.change_credentials(seed=b"other")
    host.do(RegisterClient(CLIENT))
    host.do(SelfTest(CLIENT))
    host.do(EnableCtss())
    host.do(Initialize())
    assert host.info.created_signatures == 2
    tse.close()


def test_an_expired_certificate_ends_signing_but_not_logs_and_exports(tmp_path: Path) -> None:
    make = Make(valid=timedelta(days=365))
    tse = SimulatedTse.create(tmp_path / "x", make, now=lambda: float(TIME), durable=False)
    host = Host(tse)
    host.set_up()
    host.start_day(TIME + 365 * 86400)
    host.do(START)
    assert host.info.certificate_expires == TIME + 365 * 86400
    host.do(SetTime(TIME + 365 * 86400 + 1))
    assert host.result(START) == Result.CERTIFICATE_EXPIRED
    tse.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Make(seed=bytes(33)),
        lambda: Make(capacity_blocks=255),
        lambda: Make(capacity_blocks=2**32),
        lambda: Make(max_signatures=0),
        lambda: Make(max_signatures=10**8),
        lambda: Make(firmware_type="LONG"),
        lambda: Make(firmware_type="Ä12"),
    ],
)
def test_a_tse_that_cannot_be_made_is_refused(make: type[Make]) -> None:
    with pytest.raises(ConfigurationError, match="no such simulated TSE"):
        make()


def test_the_info_sector_is_what_the_codec_understands(host: Host) -> None:
    assert TseInfo.decode(host.tse.read_info()).raw == host.tse.read_info()
