"""A simulated TSE of generation 2: what it knows, refuses and signs, and the recorded conversations with one."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.simulator import assumptions as assumed
from gateway.simulator.device import SimulatedTse
from gateway.simulator.factory import Make
from gateway.tse import commands as c
from gateway.tse import lists
from gateway.tse.certificates import by_serial, key_of, load
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from gateway.tse.fields import Command, Generation
from gateway.tse.info import TseInfo
from gateway.tse.logmessage import LogMessage, LogType, verify
from gateway.tse.results import Result
from gateway.tse.self_test import CSP, SelfTestReply
from gateway.tse.tar import members
from tests.simulator.host import ADMIN_PIN, CLIENT, PUK, TIME, TIME_ADMIN_PIN, Clock, Host, RefusedError
from tests.tse.samples import Exchange, exchanges_of_generation_2

TWO = Generation.TWO
LOGGER_PIN = b"00000"
ONE_LIFE = ("daily-start", "sign-receipt", "list-started-transactions", "list-clients", "wrong-pin-unblock")


class Host2(Host):
    """A till's side, for generation 2."""

    def do(self, command: Command) -> bytes:
        result, data = self.exchange(command.encode(TWO))
        if result:
            raise RefusedError(result)
        return data

    def result(self, command: Command) -> int:
        return self.exchange(command.encode(TWO))[0]

    def change_credentials(self, seed: bytes = RETAIL_SEED) -> None:
        initial = initial_credentials(seed, self.tse.serial, TWO)
        for user, puk in initial.puks.items():
            self.do(c.ChangePuk(user, puk, PUK))
        for user, new in (
            (c.User.LOGGER, LOGGER_PIN),
            (c.User.TIME_ADMIN, TIME_ADMIN_PIN),
            (c.User.ADMIN, ADMIN_PIN),
        ):
            self.do(c.Login(user, initial.pins[user]))
            self.do(c.ChangePin(user, initial.pins[user], new))

    def set_up(self) -> None:
        self.do(c.SelfTest())
        self.change_credentials()
        for command in (c.Initialize(), c.SetTime(TIME), c.RegisterClient(CLIENT)):
            self.do(command)

    def log_in(self, user: c.User = c.User.ADMIN, pin: bytes = ADMIN_PIN) -> None:
        self.do(c.Login(user, pin))


@pytest.fixture
def tse(tmp_path: Path, clock: Clock) -> Iterator[SimulatedTse]:
    made = SimulatedTse.create(tmp_path / "tse", Make(generation=TWO), monotonic=clock, durable=False)
    yield made
    made.close()


@pytest.fixture
def fresh(tse: SimulatedTse) -> Host2:
    return Host2(tse)


@pytest.fixture
def host(fresh: Host2) -> Host2:
    fresh.set_up()
    return fresh


def test_the_info_of_a_fresh_one_and_of_one_in_service(fresh: Host2) -> None:
    info = fresh.info
    assert (info.generation, info.software, info.ctss_active, info.used_blocks) == (TWO, "2.0.0", False, 0)
    fresh.do(c.SelfTest())
    assert fresh.info.ctss_active  # there is no switch for it
    assert (fresh.info.credentials_changed, fresh.info.used_blocks > 0) == (0, True)
    fresh.change_credentials()
    fresh.do(c.Initialize())
    info = fresh.info
    assert (info.credentials_changed, info.logged_in_user, info.auto_logout_seconds) == (0x3F, c.User.ADMIN, 300)


@pytest.mark.parametrize(
    "kind", [kind for kind in dict.fromkeys(c.COMMANDS.values()) if kind.opcode != kind.opcodes.get(TWO)]
)
def test_commands_of_generation_1_and_filtered_exports_are_refused(host: Host2, kind: type[Command]) -> None:
    assert host.exchange(bytes([kind.opcode, 0]))[0] == assumed.REFUSED_BY_GENERATION_2


def test_generation_1_knows_none_of_the_newer_commands(tmp_path: Path) -> None:
    tse = SimulatedTse.create(tmp_path / "first", durable=False)
    for kind in set(c.COMMANDS.values()):
        if (opcode := kind.opcodes.get(TWO, kind.opcode)) != kind.opcode:
            assert Host(tse).exchange(bytes([opcode, 0]))[0] == Result.UNKNOWN_COMMAND
    tse.close()


def test_one_user_is_logged_in_at_a_time_and_not_for_ever(host: Host2, clock: Clock) -> None:
    host.log_in()
    host.log_in(c.User.TIME_ADMIN, TIME_ADMIN_PIN)
    assert host.info.logged_in_user == c.User.TIME_ADMIN
    assert host.result(c.RegisterClient(b"POS-2")) == Result.NOT_AUTHORIZED
    host.do(c.Logout())
    assert host.result(c.Logout()) == Result.USER_NOT_LOGGED_IN
    host.log_in()
    clock.now += assumed.AUTO_LOGOUT - 1
    host.do(c.RegisterClient(b"POS-2"))
    clock.now += assumed.AUTO_LOGOUT
    assert host.info.logged_in_user == c.User.NONE
    assert host.result(c.RegisterClient(b"POS-3")) == Result.NOT_AUTHORIZED


def test_three_wrong_pins_block_a_pin_until_its_own_puk_unblocks_it(host: Host2) -> None:
    wrong = c.Login(c.User.LOGGER, b"99999")
    assert [host.result(wrong) for _ in range(4)] == [0x1102, 0x1101, 0x1100, Result.PIN_BLOCKED]
    host.do(c.UnblockPin(c.User.LOGGER, PUK, b"11111"))
    host.log_in(c.User.LOGGER, b"11111")


def test_a_wrong_puk_makes_the_next_one_wait_longer_each_time_and_never_ends_it(
    host: Host2, tse: SimulatedTse, clock: Clock
) -> None:
    wrong, right = (c.UnblockPin(c.User.ADMIN, puk, ADMIN_PIN) for puk in (b"999999", PUK))
    for pause in (1, 2, 4, 8, 16):
        assert host.result(wrong) == 0x1103
        info = host.info
        assert (info.admin_puk_blocked_seconds, info.time_admin_puk_blocked_seconds) == (pause, 0)
        assert host.result(right) == 0x1103  # which is not looked at
        clock.now += pause
    assert host.result(wrong) == 0x1103
    tse.power_cycle()
    host.do(c.SelfTest())
    assert host.info.admin_puk_blocked_seconds == 32  # a power cut spares nobody the pause
    host.do(c.UnblockPin(c.User.TIME_ADMIN, PUK, TIME_ADMIN_PIN))
    clock.now += 32
    host.do(right)
    assert host.info.admin_puk_blocked_seconds == 0


def test_a_self_test_that_fails_is_told_in_its_reply(host: Host2, tse: SimulatedTse) -> None:
    tse.faults.set("failed_self_test", 1)
    assert SelfTestReply.decode(host.do(c.SelfTest())).failed == {CSP}
    assert host.result(c.OpenImport(0, CLIENT, 0, 0, b"")) == Result.NEEDS_PASSED_SELF_TEST
    host.do(c.SelfTest())
    host.receipt()


def test_lists_come_in_parts(host: Host2) -> None:
    host.log_in()
    names = [b"POS-1", *(f"till number {number:02}".encode() for number in range(60))]
    for name in names:
        host.do(c.RegisterClient(name))
    opened = [host.step(c.TransactionStep.START, client=name).transaction_number for name in names]

    def parts(of: type[c.ListClients | c.ListTransactions], *more: bytes) -> bytes:
        found = b""
        while part := c.Part.decode(host.do(of(len(found), *more))).data:
            found += part
        return found

    assert [item.value for item in lists.der_items(parts(c.ListClients), 0x13)] == names
    assert len(lists.der_items(parts(c.ListTransactions, b""), 0x02)) == len(opened)
    assert len(lists.der_items(parts(c.ListTransactions, names[7]), 0x02)) == 1


def test_what_it_signs_is_of_log_version_3_and_verifies(host: Host2, tse: SimulatedTse) -> None:
    host.receipt()
    host.log_in()
    host.do(c.Decommission())
    used = host.info.used_blocks
    found = list(members(tse.read_store(0, used + 2)))
    key = key_of(by_serial(load(found[1].data))[tse.serial])
    messages = [LogMessage.decode(content) for content in (item.data for item in found[2:])]
    assert [message.operation for message in messages] == [
        "initialize", "updateTime", "startTransaction", "finishTransaction", "disableSecureElement"
    ]  # fmt: skip
    assert all(message.version == 3 and not message.deviations and verify(message, key) for message in messages)
    assert all(message.is_named(item.name) for message, item in zip(messages, found[2:], strict=True))
    assert {message.log_type for message in messages} == {LogType.SYSTEM, LogType.TRANSACTION}


def test_an_export_is_acknowledged_as_a_whole_before_the_data_may_be_deleted(host: Host2) -> None:
    host.receipt()
    host.log_in()
    assert host.result(c.DeleteStoredData()) == Result.UNACKNOWLEDGED_DATA
    host.do(c.AcknowledgeExport())
    host.do(c.DeleteStoredData())


def test_it_is_what_it_was_after_a_power_cycle(host: Host2, tse: SimulatedTse, tmp_path: Path) -> None:
    before, kept = (
        host.info,
        ("lifecycle", "credentials_changed", "used_blocks", "created_signatures", "software_version"),
    )
    tse.power_cycle()
    host.do(c.SelfTest())
    assert [getattr(host.info, name) for name in kept] == [getattr(before, name) for name in kept]
    assert host.info.logged_in_user == c.User.NONE


def replayed(host: Host2, exchange: Exchange, numbers: dict[int, int]) -> None:
    """Send a recorded command again; the results are the recorded ones, and lists and self tests are alike."""
    command = c.parse(exchange.sent or b"")
    if isinstance(command, c.OpenImport):
        number = numbers.get(command.transaction_number, command.transaction_number)
        command = dataclasses.replace(command, transaction_number=number)
    result, data = host.exchange(command.encode(TWO))
    assert (result, len(data)) == (exchange.error or 0, len(exchange.got or b"")), command.title
    match command:
        case c.OpenImport(data_length=length) if length:
            host.tse.write_store(c.ImportOpened.decode(data).block, bytes(-(-length // 512) * 512))
        case c.CloseImport():
            ours, recorded = (c.TransactionReply.decode(reply) for reply in (data, exchange.got or b""))
            numbers[recorded.transaction_number] = ours.transaction_number
        case c.SelfTest():
            assert SelfTestReply.decode(data).failed == SelfTestReply.decode(exchange.got or b"").failed
        case c.ListClients() | c.RegisterClient() | c.Login() | c.UnblockPin():
            assert data == (exchange.got or b"")
        case _:
            pass


def replay_life(host: Host2) -> None:
    """The recorded life of a till with a TSE that is set up."""
    host.tse.power_cycle()
    numbers: dict[int, int] = {}
    for scenario in ONE_LIFE:
        sent = [
            item for item in exchanges_of_generation_2() if item.scenario == scenario and item.verb == "sendCommand"
        ]
        assert sent, scenario
        for exchange in sent:
            replayed(host, exchange, numbers)


def test_the_recorded_conversations_give_the_recorded_results(host: Host2) -> None:
    replay_life(host)


def test_the_recorded_set_up_gives_the_recorded_results(fresh: Host2) -> None:
    setup = [item for item in exchanges_of_generation_2() if item.scenario == "setup-fresh-tse"]
    infos = [TseInfo.decode(item.got or b"") for item in setup if item.verb == "readInfo"]
    theirs = initial_credentials(RETAIL_SEED, infos[0].serial, TWO)
    ours = initial_credentials(RETAIL_SEED, fresh.tse.serial, TWO)
    secrets = {getattr(theirs, item.name): getattr(ours, item.name) for item in dataclasses.fields(theirs)}
    for exchange in (item for item in setup if item.verb == "sendCommand"):
        command = c.parse(exchange.sent or b"")
        old = {name: secrets[value] for name, value in vars(command).items() if value in secrets}
        fresh.do(dataclasses.replace(command, **old))
    same = ("lifecycle", "credentials_changed", "logged_in_user", "ctss_active", "valid_time", "created_signatures")
    assert [getattr(fresh.info, name) for name in same] == [getattr(infos[-1], name) for name in same]
    assert fresh.info.registered_clients == infos[-1].registered_clients


def test_a_state_of_the_format_before_is_one_of_generation_1(tmp_path: Path) -> None:
    SimulatedTse.create(tmp_path / "tse", durable=False).close()
    path = tmp_path / "tse" / "state.json"
    content = json.loads(path.read_bytes())
    old = {name: value for name, value in content.items() if name not in {"puks", "generation", "crc32"}}
    path.write_text(json.dumps({**old, "format": 1, "puk": content["puks"]["1"]}))
    again = SimulatedTse.open(tmp_path / "tse", durable=False)
    assert Host(again).info.generation is Generation.ONE
    Host(again).set_up()
    again.close()
