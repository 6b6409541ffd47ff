"""A till: it signs receipts through a LAN-TSE connector, and does what a till does when that fails."""

import base64
import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.tse.commands import (
    CloseImport,
    ImportOpened,
    LastTransaction,
    Login,
    OpenImport,
    SelfTest,
    SetTime,
    TransactionReply,
    TransactionStep,
    User,
)
from gateway.tse.info import TseInfo
from gateway.tse.results import Result
from gateway.tse.sectors import SECTOR
from tests.history.events import Action, History, Signature, Step
from tests.support import TIME_ADMIN_PIN

PATIENCE = 60.0  # seconds a till waits for the answer to one request
_BASE = "/lantse/api/v1"
_BROKEN = (OSError, http.client.HTTPException)
_PROCESS_TYPE = b"Kassenbeleg-V1"
# Results that only say: after it lost power, the TSE wants its self test and the time.
_WANTS_CARE = frozenset(
    {
        Result.NO_TIME_SET,
        Result.NEEDS_SELF_TEST,
        Result.NEEDS_PASSED_SELF_TEST,
        Result.NEEDS_ACTIVE_CTSS,
        Result.SIGNATURE_ERROR,
    }
)


class Refused(Exception):
    """An answer with an error number: a result of the TSE, or a code of the connector below 0x1000."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:04x}")
        self.code = code


class NoAnswer(Exception):
    """The connection failed: nobody knows what happened to the request."""


class Connection:
    """One connection at a time, used again and again; `longest` is the longest time any request took, in seconds."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": "Basic " + base64.b64encode(b"lantse:" + token.encode()).decode()}
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # as the vendor's client does
        self._link: http.client.HTTPSConnection | None = None
        self.longest = 0.0

    def get(self, path: str) -> object:
        """The JSON of an answer."""
        return self._timed("GET", path, None)

    def post(self, path: str, data: bytes) -> bytes:
        """The data of an answer."""
        body = json.dumps({"data": base64.b64encode(data).decode()})
        answer = self._timed("POST", path, body)
        assert isinstance(answer, dict)
        return base64.b64decode(answer.get("data", ""))

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _timed(self, method: str, path: str, body: str | None) -> object:
        began = time.monotonic()
        try:
            return self._request(method, path, body)
        finally:
            self.longest = max(self.longest, time.monotonic() - began)

    def _request(self, method: str, path: str, body: str | None) -> object:
        reused = self._link is not None
        try:
            return self._once(method, path, body)
        except TimeoutError:
            self.close()
            raise NoAnswer(f"nothing within {PATIENCE:g} s") from None
        except _BROKEN as error:
            self.close()
            if not reused:
                raise NoAnswer(repr(error)) from None
        try:  # the vendor's client sends once more when a connection that it used before turns out to be dead
            return self._once(method, path, body)
        except _BROKEN as error:
            self.close()
            raise NoAnswer(repr(error)) from None

    def _once(self, method: str, path: str, body: str | None) -> object:
        if self._link is None:
            self._link = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=PATIENCE, context=self._context)
        self._link.request(method, _BASE + path, body, {**self._headers, "Content-Type": "application/json"})
        answer = self._link.getresponse()
        document = json.loads(answer.read())
        if answer.status != http.HTTPStatus.OK:
            raise Refused(document["error"])
        return document


@dataclass(frozen=True, slots=True)
class Session:
    """The lock of one TSE, for as long as it lasts."""

    connection: Connection
    path: str

    def command(self, command: bytes) -> bytes:
        return self.connection.post(f"{self.path}/sendCommand", command)

    def info(self) -> TseInfo:
        answer = self.connection.get(f"{self.path}/readInfo")
        assert isinstance(answer, dict)
        return TseInfo.decode(base64.b64decode(answer["data"]))

    def write(self, block: int, data: bytes) -> None:
        self.connection.post(f"{self.path}/writeWormStore?offset={block}", data)


@contextlib.contextmanager
def locked(connection: Connection, serial: str) -> Iterator[Session]:
    """The TSE, for one call of the library."""
    answer = connection.get(f"/tse/{serial}/lock")
    assert isinstance(answer, dict)
    session = Session(connection, f"/tse/{serial}/{answer['data']}")
    try:
        yield session
    finally:
        with contextlib.suppress(Refused, NoAnswer):
            connection.get(f"{session.path}/unlock")


@dataclass(frozen=True, slots=True)
class Signed:
    """A step that the till has seen as signed. `at` on the monotonic clock; `asked`: the TSE had to be asked for it."""

    event: TransactionStep
    at: float
    took: float
    asked: bool


class Till(threading.Thread):
    """Signs receipts for as long as `next_receipt` names one; everything it saw signed is in `signed` and `history`."""

    def __init__(
        self,
        client: str,
        serial: str,
        connection: Connection,
        next_receipt: Callable[[], int | None],
        stop: threading.Event,
        history: History,
    ) -> None:
        super().__init__(name=client, daemon=True)
        self._client = client.encode()
        self.serial = serial
        self._next_receipt = next_receipt
        self._stop_all = stop
        self._history = history
        self._newest = 0  # signature counter of the last own step
        self.connection = connection
        self.signed: list[Signed] = []
        self.troubles: list[str] = []
        self.ended_well = False

    def run(self) -> None:
        try:
            while (receipt := self._next_receipt()) is not None:
                self._sell(receipt)
            self.ended_well = True
        except _Stopped:
            self.troubles.append("stopped before its receipt was signed")
        finally:
            self.connection.close()

    def _sell(self, receipt: int) -> None:
        started = self._sign(TransactionStep.START, 0, b"", receipt)
        text = b"%s:%d;" % (self._client, receipt)
        data = text.ljust(700, b"x") if receipt % 5 == 0 else text  # now and then more than a block
        self._sign(TransactionStep.FINISH, started.transaction_number, data, receipt)

    def _sign(self, event: TransactionStep, number: int, data: bytes, receipt: int) -> TransactionReply:
        """One signed step, however many tries it takes."""
        action, kind = Action(event.name.lower()), _PROCESS_TYPE if event is TransactionStep.FINISH else b""
        step = Step(f"{action} of receipt {receipt}", action, self._client, number, kind, data)
        began = time.monotonic()
        doubtful = False
        while True:
            try:
                with locked(self.connection, self.serial) as session:
                    reply = self._last_own(session) if doubtful else None
                    asked, doubtful = reply is not None, False
                    if reply is None:
                        with self._history.asking(step) as answered:
                            self._announce(session, event, number, data)
                            doubtful = True
                            reply = TransactionReply.decode(session.command(CloseImport().encode()))
                            answered(Signature.of(reply))
                    else:
                        self._history.told(step, Signature.of(reply))
            except (Refused, NoAnswer) as error:
                self._recover(error)
                continue
            self._newest = reply.signature_counter
            now = time.monotonic()
            self.signed.append(Signed(event, now, now - began, asked))
            return reply

    def _announce(self, session: Session, event: TransactionStep, number: int, data: bytes) -> None:
        process_type = _PROCESS_TYPE if event is TransactionStep.FINISH else b""
        opening = OpenImport(event, self._client, number, len(data), process_type)
        block = ImportOpened.decode(session.command(opening.encode())).block
        whole = len(data) // SECTOR * SECTOR
        if whole:
            session.write(block, data[:whole])
        if data[whole:]:
            session.write(block + whole // SECTOR, data[whole:].ljust(SECTOR, b"\0"))

    def _last_own(self, session: Session) -> TransactionReply | None:
        """The answer that was lost, if the TSE did sign."""
        try:
            reply = TransactionReply.decode(session.command(LastTransaction(self._client).encode()))
        except Refused as error:
            if error.code == Result.NO_LAST_TRANSACTION:
                return None
            raise
        return reply if reply.signature_counter > self._newest else None

    def _recover(self, error: Refused | NoAnswer) -> None:
        self.troubles.append(str(error))
        if self._stop_all.wait(0.5):
            raise _Stopped
        if isinstance(error, Refused) and error.code in _WANTS_CARE:
            with contextlib.suppress(Refused, NoAnswer), locked(self.connection, self.serial) as session:
                self._care(session)

    def _care(self, session: Session) -> None:
        """What a TSE wants after it lost power, unless somebody else did it meanwhile."""
        if not session.info().self_test_passed:
            session.command(SelfTest(self._client).encode())
        if not session.info().valid_time:
            session.command(Login(User.TIME_ADMIN, TIME_ADMIN_PIN).encode())
            session.command(SetTime(int(time.time())).encode())


class _Stopped(Exception):
    """The test is over."""
