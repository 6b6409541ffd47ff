"""A till's side of the window, written from the LAN-TSE protocol and not from the gateway's driver."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.simulator.device import SimulatedTse
from gateway.tse.commands import (
    ChangePin,
    ChangePuk,
    CloseImport,
    EnableCtss,
    ImportOpened,
    Initialize,
    Login,
    OpenImport,
    RegisterClient,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.credentials import RETAIL_SEED, initial_credentials
from gateway.tse.fields import Command
from gateway.tse.info import TseInfo
from gateway.tse.sectors import SECTOR

PUK, ADMIN_PIN, TIME_ADMIN_PIN = b"123456", b"12345", b"98765"
CLIENT = b"POS-1"
TIME = 1_700_000_000
BUSY, FETCH, DONE = 0xFE, 0xFD, 0xFF


class RefusedError(Exception):
    def __init__(self, result: int) -> None:
        super().__init__(f"0x{result:04x}")
        self.result = result


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Host:
    tse: SimulatedTse
    wait: Callable[[], None] = lambda: None

    def exchange(self, command: bytes) -> tuple[int, bytes]:
        """Result and data; the procedure of the LAN-TSE protocol."""
        before = int.from_bytes(self.tse.read_window()[:4], "big")
        self.tse.write_window((len(command).to_bytes(2, "big") + command).ljust(SECTOR, b"\0"))
        while (sector := self.tse.read_window())[4] != DONE:
            if sector[4] == FETCH:
                self.tse.write_window(b"\0\2\x83\0".ljust(SECTOR, b"\0"))
            else:
                assert sector[4] == BUSY
                self.wait()
        assert int.from_bytes(sector[:4], "big") == before + 1
        end = 5 + int.from_bytes(sector[5:7], "big")
        return int.from_bytes(sector[end : end + 2], "big"), sector[7:end]

    def do(self, command: Command) -> bytes:
        result, data = self.exchange(command.encode())
        if result:
            raise RefusedError(result)
        return data

    def result(self, command: Command) -> int:
        return self.exchange(command.encode())[0]

    @property
    def info(self) -> TseInfo:
        return TseInfo.decode(self.tse.read_info())

    def change_credentials(self, seed: bytes = RETAIL_SEED) -> None:
        initial = initial_credentials(seed, self.tse.serial)
        self.do(ChangePuk(User.ADMIN, initial.admin_puk, PUK))
        for user, old, new in (
            (User.TIME_ADMIN, initial.time_admin_pin, TIME_ADMIN_PIN),
            (User.ADMIN, initial.admin_pin, ADMIN_PIN),
        ):
            self.do(Login(user, old))
            self.do(ChangePin(user, old, new))

    def set_up(self) -> None:
        self.result(SelfTest(CLIENT))
        self.change_credentials()
        self.do(RegisterClient(CLIENT))
        self.do(SelfTest(CLIENT))
        self.do(EnableCtss())
        self.do(Initialize())

    def start_day(self, time: int = TIME) -> None:
        """After a power-up: self test, both users, time."""
        self.do(SelfTest(CLIENT))
        self.login_all()
        self.do(SetTime(time))

    def login_all(self) -> None:
        self.do(Login(User.ADMIN, ADMIN_PIN))
        self.do(Login(User.TIME_ADMIN, TIME_ADMIN_PIN))

    def step(
        self, event: TransactionStep, number: int = 0, data: bytes = b"", kind: bytes = b"", client: bytes = CLIENT
    ) -> TransactionReply:
        """One signed step; full blocks in one write, the rest in another, as the vendor's library does."""
        opened = ImportOpened.decode(self.do(OpenImport(event, client, number, len(data), kind)))
        full = len(data) // SECTOR * SECTOR
        if full:
            self.tse.write_store(opened.block, data[:full])
        if full < len(data):
            self.tse.write_store(opened.block + full // SECTOR, data[full:].ljust(SECTOR, b"\0"))
        return TransactionReply.decode(self.do(CloseImport()))

    def receipt(self, data: bytes = b"Beleg^1.00", client: bytes = CLIENT) -> int:
        """Start and finish; the transaction number."""
        number = self.step(TransactionStep.START, client=client).transaction_number
        self.step(TransactionStep.FINISH, number, data, b"Kassenbeleg-V1", client)
        return number
